// Many threads that allocate, and free what others allocated; threads that come and go; fork().
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/cpu_memory.h"
#include "tarn/runtime/memory.h"

namespace tarn {
namespace {

constexpr int kThreads = 8;

void run_threads(int n, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

size_t random_size(std::mt19937& random) {
  const size_t size = size_t{1} << random() % 18;
  return size - random() % size;
}

// Each block is filled with one byte, which whoever frees it checks: two owners would disagree.
void fill(BufferRef& buffer, unsigned value) {
  std::memset(buffer.data(), static_cast<int>(value & 0xff), buffer.size());
}
void check_filled(const BufferRef& buffer) {
  const std::byte first = buffer.data()[0];
  ASSERT_EQ(buffer.data()[buffer.size() / 2], first);
  ASSERT_EQ(buffer.data()[buffer.size() - 1], first);
}

TEST(MemoryThreads, ExactAfterRandomWorkAndForeignFrees) {
  const size_t before = get_active_memory();
  struct Exchange {
    std::mutex mutex;
    std::vector<BufferRef> held;
  };
  Exchange exchange[4];
  std::atomic<size_t> live{0};  // capacities of what is in `exchange` at the end
  run_threads(kThreads, [&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    for (int i = 0; i < 4'000; ++i) {
      BufferRef mine = BufferRef::allocate(random_size(random));
      fill(mine, random());
      Exchange& place = exchange[random() % 4];
      std::lock_guard lock(place.mutex);
      if (place.held.size() < 100) {
        place.held.push_back(std::move(mine));
      } else {
        mine.swap(place.held[random() % place.held.size()]);
        check_filled(mine);
      }
    }
  });
  for (Exchange& place : exchange) {
    for (const BufferRef& buffer : place.held) {
      check_filled(buffer);
      live += buffer.capacity();
    }
  }
  EXPECT_EQ(get_active_memory(), before + live);
  for (Exchange& place : exchange) place.held.clear();
  EXPECT_EQ(get_active_memory(), before);
}

// One thread only allocates, the other only frees: nothing may pile up on either side.
TEST(MemoryThreads, OneWayTrafficDoesNotGrow) {
  const size_t before = get_active_memory();
  constexpr size_t kSize = 1000;
  constexpr int kBlocks = 200'000;
  constexpr size_t kSlots = 256;
  std::vector<std::atomic<void*>> slots(kSlots);
  std::set<void*> addresses;
  run_threads(2, [&](int id) {
    for (int i = 0; i < kBlocks; ++i) {
      std::atomic<void*>& slot = slots[static_cast<size_t>(i) % kSlots];
      if (id == 0) {
        allocator::Buffer buffer = allocator::malloc(kSize);
        addresses.insert(buffer.ptr());
        while (slot.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
        slot.store(buffer.ptr(), std::memory_order_release);
      } else {
        void* block = nullptr;
        while ((block = slot.exchange(nullptr, std::memory_order_acq_rel)) == nullptr) {
          std::this_thread::yield();
        }
        allocator::free(allocator::Buffer(block));
      }
    }
  });
  EXPECT_EQ(get_active_memory(), before);
  const size_t in_lists = 2 * ThreadCache::kMaxCount[SmallClasses::of(kSize)];
  EXPECT_LE(addresses.size(), kSlots + in_lists + 128);
}

TEST(MemoryThreads, ShortThreadsLeaveTheirBlocksAndTheirCache) {
  std::set<void*> caches;
  std::set<void*> blocks;
  const size_t before = get_active_memory();
  for (int i = 0; i < 200; ++i) {
    std::thread([&] {
      std::vector<BufferRef> held;
      for (int j = 0; j < 100; ++j) {
        held.push_back(BufferRef::allocate(2048));
        blocks.insert(held.back().buffer().ptr());
      }
      caches.insert(thread_cache);
    }).join();
  }
  EXPECT_EQ(caches.size(), 1u);
  EXPECT_LE(blocks.size(), 300u);
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryThreads, AThreadsBlocksAreForAllAfterItsEnd) {
  std::set<void*> blocks;
  std::thread([&] {
    std::vector<BufferRef> held;
    for (int i = 0; i < 10; ++i) {
      held.push_back(BufferRef::allocate(3000));
      blocks.insert(held.back().buffer().ptr());
    }
  }).join();
  std::vector<BufferRef> held;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(BufferRef::allocate(3000));
    blocks.erase(held.back().buffer().ptr());
  }
  EXPECT_TRUE(blocks.empty());
}

TEST(MemoryThreads, ABlockLivesOnAfterItsThread) {
  const size_t before = get_active_memory();
  BufferRef kept;
  std::thread([&] {
    kept = BufferRef::allocate(100);
    fill(kept, 7);
  }).join();
  EXPECT_EQ(get_active_memory(), before + kept.capacity());
  check_filled(kept);
  kept.reset();
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryThreads, SharedOwnersMayGoInAnyThread) {
  const size_t before = get_active_memory();
  for (int round = 0; round < 200; ++round) {
    BufferRef shared = BufferRef::allocate(64 + static_cast<size_t>(round) * 100);
    std::vector<BufferRef> owners(kThreads, shared);
    shared.reset();
    run_threads(kThreads, [&](int id) {
      BufferRef copy = owners[static_cast<size_t>(id)];
      owners[static_cast<size_t>(id)].reset();
    });
  }
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryThreads, TheLimitHoldsWhenAllReachItTogether) {
  const size_t previous = get_memory_limit();
  const size_t limit = get_active_memory() + (8 << 20);
  set_memory_limit(limit);
  std::vector<BufferRef> held[kThreads];
  run_threads(kThreads, [&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    int failures = 0;
    while (failures < 50) {
      BufferRef one = BufferRef::try_allocate(random_size(random));
      if (one) {
        held[id].push_back(std::move(one));
      } else {
        ++failures;
      }
      ASSERT_LE(get_active_memory(), limit);
    }
  });
  EXPECT_LE(get_active_memory(), limit);
  EXPECT_GT(get_active_memory(), limit - (1 << 18));
  set_memory_limit(previous);
}

TEST(MemoryThreads, LimitsAndCacheMayChangeMeanwhile) {
  const size_t before = get_active_memory();
  const size_t limit = get_memory_limit();
  std::atomic<int> running{4};
  run_threads(5, [&](int id) {
    std::mt19937 random(static_cast<unsigned>(id));
    if (id == 4) {
      while (running.load() > 0) {
        clear_cache();
        set_memory_limit(random() % 2 == 0 ? limit : (64 << 20));
        reset_peak_memory();
        get_peak_memory();
        get_cache_memory();
      }
      set_memory_limit(limit);
      return;
    }
    for (int i = 0; i < 5'000; ++i) BufferRef::allocate(random_size(random));
    running.fetch_sub(1);
  });
  EXPECT_EQ(get_active_memory(), before);
}

// A child has one thread; the locks of the others must not stay locked in it.
TEST(MemoryThreads, AForkedChildAllocates) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's own allocator may stay locked in the child (GCC 12)";
#endif
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned id = 0; id < 3; ++id) {
    busy.emplace_back([&stop, id] {
      std::mt19937 random(id);
      std::vector<BufferRef> held(300);
      while (!stop.load(std::memory_order_relaxed)) {
        held[random() % held.size()] = BufferRef::allocate(random_size(random));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // a child that hangs ends by a signal
      for (size_t size : {64, 4096, 100'000, 4 << 20}) {
        std::vector<BufferRef> held;
        for (int j = 0; j < 100; ++j) held.push_back(BufferRef::allocate(size));
      }
      clear_cache();
      _exit(get_cache_memory() == 0 ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  stop.store(true);
  for (std::thread& thread : busy) thread.join();
}

}  // namespace
}  // namespace tarn
