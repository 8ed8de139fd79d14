// What stands in front of the system's calls asks here whether this one is to fail.
#pragma once

#include <dlfcn.h>

#include <atomic>
#include <cstdint>

#include "tests/faults/fault_points.h"

namespace tarn::faults {

// The calls of one kind. Usable before any constructor has run and after all destructors have.
struct Calls {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> first_failing{0};
  std::atomic<bool> then_all{false};
  std::atomic<bool> counting{false};

  bool next_fails() noexcept {
    if (!counting.load(std::memory_order_relaxed)) return false;
    const uint64_t n = count.fetch_add(1) + 1;
    const uint64_t first = first_failing.load();
    return n == first || (first != 0 && n > first && then_all.load());
  }
};

Calls& calls_of(Kind kind) noexcept;

// The function of the same name that this executable stands in front of.
template <class Function>
Function* next_definition(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace tarn::faults
