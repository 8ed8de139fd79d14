// Every allocation of a buffer can be made to fail, and nothing is lost when it does.
#include <gtest/gtest.h>

#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"
#include "tarn/runtime/memory_testing.h"
#include "tarn/runtime/out_of_memory.h"

namespace tarn {
namespace {

using memory_testing::AllocationFault;
using memory_testing::Fail;

// Seven allocations of all kinds, small ones that the thread has at hand among them.
void allocate_all_kinds() {
  static int values[4];
  std::vector<BufferRef> held;
  for (size_t size : {64, 64, 4096, 5000, 300'000, 4 << 20}) {
    held.push_back(BufferRef::allocate(size));
  }
  held.push_back(BufferRef::wrap(values, sizeof values, nullptr));
}

TEST(MemoryFault, EachAllocationFailsInTurn) {
  allocate_all_kinds();
  const size_t active = get_active_memory();
  uint64_t total = 0;
  {
    AllocationFault none(0);
    allocate_all_kinds();
    total = none.tried();
  }
  EXPECT_EQ(total, 7u);
  for (uint64_t n = 1; n <= total; ++n) {
    for (Fail mode : {Fail::once, Fail::from_then_on}) {
      AllocationFault fault(n, mode);
      EXPECT_THROW(allocate_all_kinds(), OutOfMemory);
      EXPECT_EQ(fault.tried(), n);
      EXPECT_EQ(get_active_memory(), active);
      if (mode == Fail::once) {
        EXPECT_NO_THROW(allocate_all_kinds());
      } else {
        EXPECT_THROW(allocate_all_kinds(), OutOfMemory);
      }
    }
  }
  EXPECT_NO_THROW(allocate_all_kinds());
  EXPECT_EQ(get_active_memory(), active);
}

}  // namespace
}  // namespace tarn
