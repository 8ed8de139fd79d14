// For tests only: makes allocations of buffers fail.
#pragma once

#include <cstdint>

#include "tarn/runtime/cpu_memory.h"
#include "tarn/runtime/system_pages.h"

namespace tarn::memory_testing {

enum class Fail : uint8_t { once, from_then_on };

// While it lives, the n-th allocation of a buffer fails, counted over all threads from 1 and
// whether or not it is served from a cache. With n = 0 none fails. One at a time.
class AllocationFault {
 public:
  explicit AllocationFault(uint64_t n, Fail mode = Fail::once) {
    CpuMemory::instance().inject_failure(n, mode == Fail::from_then_on);
  }
  ~AllocationFault() { CpuMemory::instance().end_injection(); }
  AllocationFault(const AllocationFault&) = delete;
  AllocationFault& operator=(const AllocationFault&) = delete;

  // How many allocations were tried so far, those that failed included.
  uint64_t tried() const { return CpuMemory::instance().injection_count(); }
};

}  // namespace tarn::memory_testing
