// The allocator's interface: sizes, alignment, reuse.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tarn/runtime/allocator.h"
#include "tarn/runtime/block_cache.h"
#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"
#include "tarn/runtime/slab_pool.h"
#include "tarn/runtime/system_pages.h"

namespace tarn {
namespace {

const std::vector<size_t> kSizes = {0,       1,       63,      64,       65,      1000,
                                    4095,    4096,    4097,    8192,     100000,  1 << 20,
                                    2 << 20, 3000001, 5 << 20, 64 << 20, 70000000};

TEST(MemoryAllocator, GivesAlignedWritableBytes) {
  for (size_t size : kSizes) {
    allocator::Buffer buffer = allocator::malloc(size);
    auto* bytes = static_cast<std::byte*>(buffer.raw_ptr());
    ASSERT_NE(bytes, nullptr) << size;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes) % kBufferAlignment, 0u) << size;
    const size_t capacity = allocator::allocator().size(buffer);
    EXPECT_GE(capacity, size);
    std::memset(bytes, 0xa5, capacity);
    allocator::free(buffer);
  }
}

TEST(MemoryAllocator, LargeBlocksStartOnHugePages) {
  BufferRef buffer = BufferRef::allocate(5 << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % kHugePage, 0u);
}

TEST(MemoryAllocator, RoundsUpByLittle) {
  clear_cache();
  for (size_t size : kSizes) {
    const size_t capacity = BufferRef::allocate(size).capacity();
    if (size > kMaxSmall) {
      EXPECT_LE(capacity, size + size / 16) << size;
    } else {
      EXPECT_LE(capacity, size + size / 4 + 64) << size;
    }
    clear_cache();
  }
}

TEST(MemoryAllocator, SmallClassesAreTheLeastThatFit) {
  for (size_t size = 0; size <= kMaxSmall; ++size) {
    const int size_class = SmallClasses::of(size);
    ASSERT_NE(size_class, SmallClasses::kHeader);
    ASSERT_GE(SmallClasses::kCapacity[size_class], size);
    if (size_class > 1) {
      ASSERT_LT(SmallClasses::kCapacity[size_class - 1], size);
    }
  }
}

TEST(MemoryAllocator, BlockClassesAreNumberedInOrder) {
  int expected = 0;
  for (size_t capacity = kMaxSmall; capacity < BlockClasses::kMaxSize;) {
    const size_t size = capacity + 1;
    capacity = BlockClasses::capacity(size);
    ASSERT_GE(capacity, size);
    ASSERT_EQ(BlockClasses::capacity(capacity), capacity);
    ASSERT_EQ(BlockClasses::index(capacity), expected++);
    ASSERT_EQ(capacity % kBufferAlignment, 0u);
    if (capacity >= kHugePage) {
      ASSERT_EQ(capacity % 4096, 0u);
    }
  }
  EXPECT_EQ(expected, BlockClasses::kCount);
}

TEST(MemoryAllocator, RecyclesWhatWasFreedLast) {
  clear_cache();
  for (size_t size : kSizes) {
    BufferRef older = BufferRef::allocate(size);
    BufferRef newer = BufferRef::allocate(size);
    const std::byte* data = newer.data();
    older.reset();
    newer.reset();
    EXPECT_EQ(BufferRef::allocate(size).data(), data) << size;
  }
}

TEST(MemoryAllocator, ReusesASomewhatLargerBlockWithItsCapacity) {
  clear_cache();
  allocator::free(allocator::malloc(8192));
  EXPECT_EQ(get_cache_memory(), 8192u);
  allocator::Buffer reused = allocator::malloc(6000);
  EXPECT_EQ(allocator::allocator().size(reused), 8192u);
  EXPECT_EQ(get_cache_memory(), 0u);
  allocator::free(reused);

  allocator::free(allocator::malloc(64 << 20));
  reused = allocator::malloc(54 << 20);
  EXPECT_EQ(allocator::allocator().size(reused), size_t{64} << 20);
  allocator::free(reused);
}

TEST(MemoryAllocator, DoesNotWasteAMuchLargerBlock) {
  clear_cache();
  allocator::free(allocator::malloc(64 << 20));
  BufferRef buffer = BufferRef::allocate(32 << 20);
  EXPECT_EQ(buffer.capacity(), size_t{32} << 20);
  EXPECT_EQ(get_cache_memory(), size_t{64} << 20);
}

TEST(MemoryAllocator, TakesTheBestFit) {
  clear_cache();
  std::vector<BufferRef> held;
  for (size_t mib : {24, 22, 20, 23}) held.push_back(BufferRef::allocate(mib << 20));
  held.clear();
  for (size_t expected : {22, 23, 24}) {
    held.push_back(BufferRef::allocate(21 << 20));
    EXPECT_EQ(held.back().capacity(), expected << 20);
  }
  EXPECT_EQ(get_cache_memory(), size_t{20} << 20);
}

TEST(MemoryAllocator, HundredGibibytesOneAfterTheOther) {
  for (int i = 0; i < 100; ++i) {
    allocator::Buffer buffer = allocator::allocator().malloc(size_t{1} << 30);
    static_cast<char*>(buffer.raw_ptr())[i] = 1;
    allocator::allocator().free(buffer);
  }
  clear_cache();
}

TEST(MemoryAllocator, UserMemoryIsWrappedInPlace) {
  const size_t before = get_active_memory();
  alignas(16) int values[4] = {1, 2, 3, 4};
  allocator::Buffer buffer = allocator::make_buffer(values, sizeof values);
  EXPECT_EQ(buffer.raw_ptr(), values);
  EXPECT_EQ(allocator::allocator().size(buffer), sizeof values);
  EXPECT_EQ(get_active_memory(), before) << "not allocated here, so not counted";
  allocator::release(buffer);
  EXPECT_EQ(values[3], 4);

  EXPECT_FALSE(allocator::can_reuse_alien_buffer(reinterpret_cast<char*>(values) + 1));
  EXPECT_EQ(allocator::make_buffer(reinterpret_cast<char*>(values) + 1, 1).ptr(), nullptr);
  allocator::free(allocator::Buffer(nullptr));
  EXPECT_EQ(allocator::Buffer(nullptr).raw_ptr(), nullptr);
}

// Enough live blocks for many slabs and chunks; then all of it goes and comes again.
TEST(MemoryAllocator, ManySmallBlocksAreDistinct) {
  constexpr size_t kBlocks = 100'000;
  for (int round = 0; round < 3; ++round) {
    std::vector<BufferRef> held;
    for (size_t i = 0; i < kBlocks; ++i) {
      held.push_back(BufferRef::allocate(8 + i % 300));
      std::memcpy(held.back().data(), &i, sizeof i);
    }
    for (size_t i = 0; i < kBlocks; ++i) {
      size_t found = 0;
      std::memcpy(&found, held[i].data(), sizeof found);
      ASSERT_EQ(found, i);
    }
  }
}

TEST(MemoryAllocator, EmptySlabsBecomeCacheAndGoBackToTheSystem) {
  {
    std::vector<BufferRef> held;
    for (int i = 0; i < 100'000; ++i) held.push_back(BufferRef::allocate(500));
    clear_cache();
  }
  EXPECT_GE(get_cache_memory(), size_t{100'000} * 500 / 2);
  clear_cache();
  EXPECT_EQ(get_cache_memory(), 0u);
}

}  // namespace
}  // namespace tarn
