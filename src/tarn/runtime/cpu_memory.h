// The allocator of host memory: from the thread's own blocks, from the caches, or from the system,
// within the byte limit. Behind BufferRef, tarn::allocator and memory.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "tarn/runtime/block.h"
#include "tarn/runtime/block_cache.h"
#include "tarn/runtime/memory_account.h"
#include "tarn/runtime/memory_poison.h"
#include "tarn/runtime/slab_pool.h"
#include "tarn/runtime/thread_cache.h"

namespace tarn {

// Null until the thread first needs it, and again at the thread's end.
extern constinit thread_local ThreadCache* thread_cache;

// Thread-safe. There is one, in static storage and never destroyed: buffers may outlive everything.
//
// Three sizes of block (see BlockKind), two caches: small blocks move between a thread's lists and
// slabs; larger ones wait in one cache for all threads. A thread that frees what another allocated
// keeps the block; full lists go back to the slabs in bulk, so that nothing piles up there.
class CpuMemory {
 public:
  constexpr CpuMemory() : slabs_(cache_) {}
  static CpuMemory& instance() noexcept;

  // A block with one owner, or null when there is no memory, or the limit forbids it. Throws
  // std::bad_alloc if not even the settings can be read.
  Block* allocate(size_t size) {
    if (size <= kMaxSmall && thread_cache != nullptr && watch_.load(std::memory_order_relaxed) == 0)
        [[likely]] {
      BlockList& list = thread_cache->lists[SmallClasses::of(size)];
      if (list.count > 0) [[likely]] {
        Block* block = list.pop();
        thread_cache->shard.allocated(block->capacity);
        return in_use(block, size);
      }
    }
    return allocate_slow(size);
  }

  // A header for the user's memory; null and exceptions as above.
  Block* allocate_header(void* data, size_t nbytes);

  // Requires: the block has no deleter.
  void free(Block* block) noexcept {
    if (block->kind == BlockKind::small && thread_cache != nullptr) [[likely]] {
      const int size_class = block->size_class;
      BlockList& list = thread_cache->lists[size_class];
      if (list.count < ThreadCache::kMaxCount[size_class]) [[likely]] {
        thread_cache->shard.freed(block->capacity);
        poison(block->data, block->capacity);
        list.push(block);
        return;
      }
    }
    free_slow(block);
  }

  // Changes the block's size. Requires: nbytes <= capacity.
  void resize(Block* block, size_t nbytes) noexcept {
    if (block->kind != BlockKind::external) {
      unpoison(block->data, nbytes);
      poison(block->data + nbytes, block->capacity - nbytes);
    }
    block->size = nbytes;
  }

  size_t active() const noexcept { return account_.active(); }
  size_t peak() noexcept { return account_.peak(); }
  void reset_peak() noexcept { account_.reset_peak(); }
  size_t cached() const noexcept { return cache_.bytes(); }
  void clear_cache() noexcept;

  // These return the previous limit. Throw std::bad_alloc as above.
  size_t set_memory_limit(size_t limit);
  size_t set_cache_limit(size_t limit);
  size_t memory_limit();

  // Called by a thread that ends, with its cache, which is then another thread's to use.
  void retire(ThreadCache* cache) noexcept;

  // For fork(): while locked nobody else is inside.
  void lock() noexcept;
  void unlock() noexcept;

  // For memory_testing.h. The n-th allocation from now fails, and with `then_all` those after it;
  // 0: none. Starts counting at 0.
  void inject_failure(uint64_t n, bool then_all) noexcept;
  void end_injection() noexcept;
  uint64_t injection_count() const noexcept { return injection_.seen.load(); }

 private:
  // Why the short way is barred: bits of watch_.
  enum Watch : uint32_t { kInjecting = 1, kNearLimit = 2 };

  static Block* in_use(Block* block, size_t size) noexcept {
    block->size = size;
    block->owners.store(1, std::memory_order_relaxed);
    if (block->kind != BlockKind::external) unpoison(block->data, size);
    return block;
  }

  Block* allocate_slow(size_t size);
  Block* allocate_small(int size_class) noexcept;
  Block* allocate_big(size_t size) noexcept;
  void free_slow(Block* block) noexcept;
  void free_small(Block* block) noexcept;
  void empty(ThreadCache& cache) noexcept;

  bool injected_failure() noexcept;
  bool near_limit(size_t more) const noexcept;
  bool fits(size_t nbytes) const noexcept;
  bool admit(size_t nbytes) noexcept;
  void make_room(size_t nbytes) noexcept;
  void update_watch() noexcept;
  void init_limits();
  ThreadCache* ensure_thread_cache() noexcept;

  struct Injection {
    std::atomic<uint64_t> first{0};
    std::atomic<bool> then_all{false};
    std::atomic<uint64_t> seen{0};
  };

  static constexpr size_t kUnset = ~size_t{0};

  std::atomic<uint32_t> watch_{0};
  std::atomic<size_t> limit_{kUnset};
  MemoryAccount account_;
  BlockCache cache_;
  SlabPool slabs_;
  std::mutex admission_;  // held to check the limit and count the block as one step
  std::mutex idle_mutex_;
  ThreadCache* idle_caches_ = nullptr;  // of threads that ended; guarded by idle_mutex_
  Injection injection_;
};

}  // namespace tarn
