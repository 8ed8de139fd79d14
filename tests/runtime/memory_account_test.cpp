// What programs compare for equality: active, peak, cached.
#include "tarn/runtime/memory_account.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"

namespace tarn {
namespace {

constexpr size_t kMiB = 1 << 20;

TEST(MemoryAccount, ActiveFollowsEveryBlock) {
  const size_t before = get_active_memory();
  size_t expected = before;
  std::vector<BufferRef> held;
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    if (held.empty() || random() % 2 == 0) {
      const size_t size = size_t{1} << random() % 20;
      held.push_back(BufferRef::allocate(size - random() % size));
      expected += held.back().capacity();
    } else {
      std::swap(held[random() % held.size()], held.back());
      expected -= held.back().capacity();
      held.pop_back();
    }
    ASSERT_EQ(get_active_memory(), expected);
  }
  held.clear();
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryAccount, PeakIsExactInOneThread) {
  std::vector<BufferRef> held;
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    reset_peak_memory();
    EXPECT_EQ(get_peak_memory(), 0u);
    size_t expected = 0;
    for (int i = 0; i < 2'000; ++i) {
      if (held.empty() || random() % 2 == 0) {
        const size_t size = size_t{1} << random() % 21;
        held.push_back(BufferRef::allocate(size - random() % size));
        expected = std::max(expected, get_active_memory());
      } else {
        held.erase(held.begin() + static_cast<long>(random() % held.size()));
      }
      if (random() % 16 == 0) {
        ASSERT_EQ(get_peak_memory(), expected);
      }
    }
    EXPECT_EQ(get_peak_memory(), expected);
  }
}

TEST(MemoryAccount, PeakIsExactAcrossThreadsThatTakeTurns) {
  clear_cache();  // so that no larger block is reused
  const size_t before = get_active_memory();
  BufferRef small = BufferRef::allocate(64);
  reset_peak_memory();
  std::thread([] {
    BufferRef medium = BufferRef::allocate(64 << 10);
    BufferRef large = BufferRef::allocate(64 * kMiB);
    medium.reset();
    large.reset();
    BufferRef::allocate(4096);
  }).join();
  EXPECT_EQ(get_peak_memory(), before + 64 + (64 << 10) + 64 * kMiB);
  EXPECT_EQ(get_active_memory(), before + 64);
}

// As chains of operations do that free their input late or give it away.
TEST(MemoryAccount, PeakDoesNotDependOnTheLengthOfAChain) {
  const auto peak_of_chain = [](int length) {
    reset_peak_memory();
    BufferRef value = BufferRef::allocate(64 * kMiB);
    for (int i = 0; i < length; ++i) value = BufferRef::allocate(64 * kMiB);
    return get_peak_memory();
  };
  EXPECT_EQ(peak_of_chain(2), peak_of_chain(4));
  EXPECT_EQ(peak_of_chain(2), peak_of_chain(40));
}

TEST(MemoryAccount, ResetDoesNotCountWhatIsStillActive) {
  BufferRef held = BufferRef::allocate(10 * kMiB);
  reset_peak_memory();
  EXPECT_EQ(get_peak_memory(), 0u);
  BufferRef small = BufferRef::allocate(64);
  EXPECT_EQ(get_peak_memory(), get_active_memory());
}

TEST(MemoryAccount, CacheHoldsWhatWasFreed) {
  clear_cache();
  BufferRef medium = BufferRef::allocate(16384);
  BufferRef large = BufferRef::allocate(4 * kMiB);
  EXPECT_EQ(get_cache_memory(), 0u);
  medium.reset();
  EXPECT_EQ(get_cache_memory(), 16384u);
  large.reset();
  EXPECT_EQ(get_cache_memory(), 16384u + 4 * kMiB);
  large = BufferRef::allocate(4 * kMiB);
  EXPECT_EQ(get_cache_memory(), 16384u);
  clear_cache();
  EXPECT_EQ(get_cache_memory(), 0u);
}

// The account alone, with its threads played by one: so that every order can be told.
class Shards : public ::testing::Test {
 protected:
  Shards() {
    for (AccountShard& shard : shards_) account_.join(shard);
  }
  MemoryAccount account_;
  AccountShard shards_[3];
};

TEST_F(Shards, SumsBalancesOfEitherSign) {
  account_.allocated(&shards_[0], 1000);
  account_.freed(&shards_[1], 600);
  EXPECT_EQ(account_.active(), 400u);
  EXPECT_EQ(account_.active_estimate(), 0);
}

TEST_F(Shards, PeakSeesASmallBlockThatCameAndWentBeforeALargeOne) {
  account_.allocated(&shards_[0], 100);
  account_.freed(&shards_[0], 100);
  account_.allocated(nullptr, kMiB);
  account_.freed(nullptr, kMiB);
  EXPECT_EQ(account_.peak(), kMiB);
  account_.reset_peak();
  account_.allocated(nullptr, kMiB);
  account_.allocated(&shards_[1], 100);
  account_.freed(&shards_[1], 100);
  account_.freed(nullptr, kMiB);
  EXPECT_EQ(account_.peak(), kMiB + 100);
}

TEST_F(Shards, ALargeBalanceIsFolded) {
  for (int i = 0; i < 10; ++i) account_.allocated(&shards_[2], 100 << 10);
  EXPECT_GE(account_.active_estimate(), 10 * (100 << 10) - MemoryAccount::kFoldAt);
  EXPECT_EQ(account_.active(), size_t{10} * (100 << 10));
  EXPECT_EQ(account_.peak(), size_t{10} * (100 << 10));
}

}  // namespace
}  // namespace tarn
