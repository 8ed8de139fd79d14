// The byte limits, where they come from, and what happens at them.
#include "tarn/runtime/memory_limit.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"
#include "tarn/runtime/out_of_memory.h"
#include "tarn/runtime/system_pages.h"

namespace tarn {
namespace {

constexpr size_t kMiB = 1 << 20;

class MemoryLimit : public ::testing::Test {
 protected:
  MemoryLimit() { clear_cache(); }
  ~MemoryLimit() override {
    set_memory_limit(memory_limit_);
    set_cache_limit(cache_limit_);
    memory_testing::fail_system_requests(0);
    clear_cache();
  }
  size_t memory_limit_ = get_memory_limit();
  size_t cache_limit_ = [] {
    const size_t limit = set_cache_limit(0);
    set_cache_limit(limit);
    return limit;
  }();
};

TEST_F(MemoryLimit, DefaultsAreWithinTheMachine) {
  EXPECT_EQ(memory_limit_, default_memory_limit());
  EXPECT_GT(memory_limit_, 64 * kMiB);
  EXPECT_EQ(cache_limit_, memory_limit_ / 2);
}

TEST_F(MemoryLimit, SettersReturnWhatWasBefore) {
  EXPECT_EQ(set_memory_limit(10), memory_limit_);
  EXPECT_EQ(set_memory_limit(memory_limit_), 10u);
  EXPECT_EQ(set_cache_limit(10), cache_limit_);
  EXPECT_EQ(set_cache_limit(cache_limit_), 10u);
  EXPECT_EQ(set_wired_limit(1000), 0u);
}

TEST_F(MemoryLimit, FailsPastItAndChangesNothing) {
  set_memory_limit(get_active_memory() + 100 * kMiB);
  const size_t active = get_active_memory();
  reset_peak_memory();
  try {
    BufferRef::allocate(101 * kMiB);
    FAIL() << "past the limit";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.wanted(), 101 * kMiB);
    EXPECT_EQ(error.active(), active);
    EXPECT_EQ(error.limit(), active + 100 * kMiB);
    EXPECT_NE(std::string(error.what()).find(std::to_string(101 * kMiB)), std::string::npos);
  }
  EXPECT_THROW(allocator::malloc(101 * kMiB), std::bad_alloc);
  EXPECT_FALSE(BufferRef::try_allocate(101 * kMiB));
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_EQ(get_peak_memory(), 0u);

  BufferRef most = BufferRef::allocate(96 * kMiB);
  EXPECT_FALSE(BufferRef::try_allocate(5 * kMiB));
  most.reset();
  EXPECT_TRUE(BufferRef::try_allocate(96 * kMiB)) << "what was freed can be had again";
}

TEST_F(MemoryLimit, HoldsToTheByteForSmallBlocks) {
  std::vector<BufferRef> held;
  held.reserve(10'000);
  held.push_back(BufferRef::allocate(64));  // the thread has some of its own now
  for (size_t size : {64, 1000, 4096}) {
    const size_t limit = get_active_memory() + kMiB;
    set_memory_limit(limit);
    while (BufferRef one = BufferRef::try_allocate(size)) held.push_back(std::move(one));
    EXPECT_LE(get_active_memory(), limit);
    EXPECT_GT(get_active_memory() + 5000, limit);
    held.pop_back();
    EXPECT_TRUE(BufferRef::try_allocate(size));
    set_memory_limit(memory_limit_);
  }
}

TEST_F(MemoryLimit, ImpossibleSizesAreOutOfMemory) {
  const size_t active = get_active_memory();
  const size_t max = std::numeric_limits<size_t>::max();
  for (size_t size : {size_t{4} << 40, size_t{1} << 47, size_t{1} << 62, max - 4096, max}) {
    EXPECT_THROW(BufferRef::allocate(size), OutOfMemory) << size;
  }
  set_memory_limit(max);
  for (size_t size : {size_t{1} << 47, (size_t{1} << 47) + 1, max - 64, max}) {
    EXPECT_THROW(BufferRef::allocate(size), OutOfMemory) << size;
  }
  EXPECT_EQ(get_active_memory(), active);
}

TEST_F(MemoryLimit, CacheMakesRoom) {
  set_memory_limit(get_active_memory() + 100 * kMiB);
  BufferRef::allocate(60 * kMiB);
  BufferRef::allocate(20 * kMiB);
  EXPECT_EQ(get_cache_memory(), 80 * kMiB);
  BufferRef large = BufferRef::allocate(40 * kMiB);
  EXPECT_EQ(get_cache_memory(), 20 * kMiB) << "the oldest goes first";
}

TEST_F(MemoryLimit, ALowerLimitShrinksTheCache) {
  BufferRef::allocate(60 * kMiB);
  BufferRef::allocate(20 * kMiB);
  set_memory_limit(get_active_memory() + 30 * kMiB);
  EXPECT_EQ(get_cache_memory(), 20 * kMiB);
}

TEST_F(MemoryLimit, AReusedBlockThatIsTooLargeGivesWayToOneThatFits) {
  BufferRef::allocate(64 * kMiB);
  set_memory_limit(get_active_memory() + 64 * kMiB);
  EXPECT_EQ(get_cache_memory(), 64 * kMiB);
  BufferRef small = BufferRef::allocate(64);
  BufferRef large = BufferRef::allocate(56 * kMiB);
  EXPECT_EQ(large.capacity(), 56 * kMiB);
  EXPECT_EQ(get_cache_memory(), 0u);
}

TEST_F(MemoryLimit, CacheLimitIsKeptByDroppingTheOldest) {
  set_cache_limit(50 * kMiB);
  BufferRef a = BufferRef::allocate(20 * kMiB);
  BufferRef b = BufferRef::allocate(24 * kMiB);
  BufferRef c = BufferRef::allocate(28 * kMiB);
  a.reset();
  b.reset();
  EXPECT_EQ(get_cache_memory(), 44 * kMiB);
  c.reset();
  EXPECT_EQ(get_cache_memory(), 28 * kMiB);
  BufferRef::allocate(60 * kMiB);
  EXPECT_EQ(get_cache_memory(), 0u);
}

TEST_F(MemoryLimit, CacheLimitZeroFreesAtOnce) {
  BufferRef::allocate(16384);
  EXPECT_EQ(get_cache_memory(), 16384u);
  set_cache_limit(0);
  EXPECT_EQ(get_cache_memory(), 0u);
  BufferRef::allocate(16384);
  EXPECT_EQ(get_cache_memory(), 0u);
}

TEST_F(MemoryLimit, SystemWithoutMemoryGetsTheCacheFirst) {
  BufferRef::allocate(8 * kMiB);
  memory_testing::fail_system_requests(1);
  EXPECT_TRUE(BufferRef::try_allocate(100 * kMiB));
  EXPECT_EQ(get_cache_memory(), 100 * kMiB) << "8 MiB went back to the system";

  const size_t active = get_active_memory();
  memory_testing::fail_system_requests(2);
  reset_peak_memory();
  EXPECT_THROW(BufferRef::allocate(200 * kMiB), OutOfMemory);
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_EQ(get_peak_memory(), 0u);
  EXPECT_TRUE(BufferRef::try_allocate(200 * kMiB));
}

TEST_F(MemoryLimit, SlabsFailWithoutSystemMemoryAndRecover) {
  memory_testing::fail_system_requests(std::numeric_limits<int>::max());
  const size_t active = get_active_memory();
  {
    std::vector<BufferRef> held;
    EXPECT_THROW(for (int i = 0; i < 10'000; ++i) held.push_back(BufferRef::allocate(4096)),
                 OutOfMemory);
    memory_testing::fail_system_requests(0);
    held.push_back(BufferRef::allocate(4096));
  }
  EXPECT_EQ(get_active_memory(), active);
}

class Cgroup : public ::testing::Test {
 protected:
  Cgroup() : root_(::testing::TempDir() + "tarn_cgroup") {
    std::filesystem::create_directories(root_);
  }
  ~Cgroup() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  std::optional<size_t> limit() { return cgroup_memory_limit(root_ + "/membership", root_); }

  std::string root_;
};

TEST_F(Cgroup, NoFilesMeanNoLimit) {
  EXPECT_EQ(limit(), std::nullopt);
  write("membership", "0::/a/b");
  EXPECT_EQ(limit(), std::nullopt);
}

TEST_F(Cgroup, Version2TakesTheLeastOnTheWayUp) {
  write("membership", "0::/a/b");
  write("a/b/memory.max", "max");
  EXPECT_EQ(limit(), std::nullopt);
  write("a/memory.max", "3000");
  EXPECT_EQ(limit(), 3000u);
  write("a/b/memory.max", "5000");
  EXPECT_EQ(limit(), 3000u);
  write("a/b/memory.max", "2000");
  EXPECT_EQ(limit(), 2000u);
}

TEST_F(Cgroup, Version1IsFoundAmongControllers) {
  write("membership", "12:cpu,cpuacct:/x\n4:hugetlb,memory:/a\n1:name=systemd:/y\n0::/");
  write("memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(limit(), 9223372036854771712u);
  write("memory/a/memory.limit_in_bytes", "7000");
  EXPECT_EQ(limit(), 7000u);
}

TEST_F(Cgroup, AContainersRootCountsWhenItsPathIsNotMounted) {
  write("membership", "0::/docker/0123");
  write("memory.max", "4000");
  EXPECT_EQ(limit(), 4000u);
  write("membership", "0::/../../elsewhere");
  EXPECT_EQ(limit(), 4000u);
}

TEST_F(Cgroup, NonsenseIsNoLimit) {
  write("membership", "nonsense\n:\n::\n0::relative\n0::/a");
  write("a/memory.max", "12x");
  EXPECT_EQ(limit(), std::nullopt);
  write("a/memory.max", "99999999999999999999999999");
  EXPECT_EQ(limit(), std::nullopt);
}

}  // namespace
}  // namespace tarn
