// BufferRef: who owns, and who is told at the end.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"
#include "tarn/runtime/memory_testing.h"
#include "tarn/runtime/out_of_memory.h"

namespace tarn {
namespace {

static_assert(std::is_nothrow_move_constructible_v<BufferRef>);
static_assert(std::is_nothrow_move_assignable_v<BufferRef>);
static_assert(std::is_nothrow_copy_constructible_v<BufferRef>);
static_assert(sizeof(BufferRef) == sizeof(void*));

TEST(MemoryBuffer, NothingIsOwnedByDefault) {
  BufferRef none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.capacity(), 0u);
  EXPECT_EQ(none.use_count(), 0u);
  none.reset();
  EXPECT_EQ(none, BufferRef());
}

TEST(MemoryBuffer, CountsItsOwners) {
  const size_t before = get_active_memory();
  BufferRef first = BufferRef::allocate(100);
  EXPECT_EQ(first.size(), 100u);
  EXPECT_EQ(first.capacity(), 128u);
  EXPECT_EQ(first.use_count(), 1u);
  BufferRef second = first;
  EXPECT_EQ(first.use_count(), 2u);
  EXPECT_EQ(first, second);
  BufferRef third = std::move(second);
  EXPECT_EQ(first.use_count(), 2u);
  EXPECT_FALSE(second);
  const BufferRef& same = third;
  third = same;
  EXPECT_EQ(third.use_count(), 2u);
  first.reset();
  EXPECT_EQ(third.use_count(), 1u);
  EXPECT_EQ(get_active_memory(), before + 128);
  third = BufferRef();
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryBuffer, IsTheSameBlockAsItsHandle) {
  BufferRef owner = BufferRef::adopt(allocator::malloc(64));
  EXPECT_EQ(owner.buffer().raw_ptr(), owner.data());
  EXPECT_EQ(allocator::allocator().size(owner.buffer()), owner.capacity());
}

TEST(MemoryBuffer, ResizesWithinItsCapacity) {
  BufferRef owner = BufferRef::allocate(100);
  owner.resize(128);
  EXPECT_EQ(owner.size(), 128u);
  owner.data()[127] = std::byte{1};
  owner.resize(1);
  EXPECT_EQ(owner.size(), 1u);
}

TEST(MemoryBuffer, DeleterTakesThePlaceOfFree) {
  const size_t before = get_active_memory();
  int calls = 0;
  allocator::Buffer buffer = allocator::malloc(5000);
  {
    BufferRef owner = BufferRef::adopt(buffer, [&](allocator::Buffer given) {
      ++calls;
      EXPECT_EQ(given.ptr(), buffer.ptr());
      allocator::free(given);
    });
    BufferRef other = owner;
    EXPECT_EQ(calls, 0);
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(BufferRef::allocate(5000).buffer().ptr(), buffer.ptr());
  EXPECT_EQ(calls, 1) << "the next user of the block has no deleter";
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryBuffer, FreeAndNothingAreTheDefaultDeleter) {
  const size_t before = get_active_memory();
  BufferRef::adopt(allocator::malloc(10), allocator::free);
  BufferRef::adopt(allocator::malloc(10), nullptr);
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryBuffer, DeleterMayKeepTheBuffer) {
  allocator::Buffer kept(nullptr);
  BufferRef::adopt(allocator::malloc(10), [&](allocator::Buffer given) { kept = given; });
  ASSERT_NE(kept.ptr(), nullptr);
  BufferRef again = BufferRef::adopt(kept);
  EXPECT_EQ(again.use_count(), 1u);
}

TEST(MemoryBuffer, DeleterThatThrowsHarmsNobody) {
  const size_t before = get_active_memory();
  BufferRef::adopt(allocator::malloc(10), [](allocator::Buffer given) {
    allocator::free(given);
    throw 42;
  });
  int value = 0;
  BufferRef::wrap(&value, sizeof value, [](void*) { throw std::runtime_error("late"); });
  EXPECT_EQ(get_active_memory(), before);
}

TEST(MemoryBuffer, WrapsUserMemory) {
  auto values = std::make_unique<int[]>(100);
  int* data = values.get();
  int calls = 0;
  {
    // The capture is more than fits into a std::function.
    BufferRef owner = BufferRef::wrap(
        data, 400, [&calls, data, held = std::shared_ptr<int[]>(std::move(values))](void* given) {
          ++calls;
          EXPECT_EQ(given, data);
        });
    EXPECT_EQ(static_cast<void*>(owner.data()), data);
    EXPECT_EQ(owner.size(), 400u);
    EXPECT_EQ(owner.capacity(), 400u);
    owner.data()[399] = std::byte{7};
  }
  EXPECT_EQ(calls, 1);
  BufferRef::wrap(&calls, sizeof calls, nullptr);
}

TEST(MemoryBuffer, DeleterRunsOnceWhenWrappingFails) {
  int value = 0;
  int calls = 0;
  memory_testing::AllocationFault fault(1);
  EXPECT_THROW(BufferRef::wrap(&value, sizeof value, [&](void*) { ++calls; }), OutOfMemory);
  EXPECT_EQ(calls, 1);
}

TEST(MemoryBuffer, WrappedHeadersAreRecycledAsHeaders) {
  int value = 0;
  for (int i = 0; i < 1000; ++i) {
    BufferRef a = BufferRef::wrap(&value, sizeof value, nullptr);
    BufferRef b = BufferRef::allocate(0);
    EXPECT_NE(b.data(), a.data());
    EXPECT_GE(b.capacity(), 1u);
  }
}

// Arrays may hold buffers in thread_local and static objects.
thread_local BufferRef kept_by_thread;
BufferRef kept_until_exit;

TEST(MemoryBuffer, MayOutliveItsThreadAndMain) {
  const size_t before = get_active_memory();
  std::thread([] { kept_by_thread = BufferRef::allocate(100); }).join();
  EXPECT_EQ(get_active_memory(), before);
  kept_until_exit = BufferRef::allocate(100);
}

}  // namespace
}  // namespace tarn
