// Makes the n-th call of some kind fail, wherever in the process it is made. An executable that
// links faulty_memory.cpp, faulty_threads.cpp or faulty_files.cpp has its own operator new,
// pthread_create, or open, pread and so on, in front of those of the system.
#pragma once

#include <cstdint>
#include <optional>

#include "tarn/runtime/memory_testing.h"

namespace tarn::faults {

enum class Kind : uint8_t {
  allocation,   // operator new, all forms
  buffer,       // bytes of arrays
  thread,       // pthread_create
  system_call,  // on files: open, read, write, sync, rename and their kin
};
inline constexpr Kind kAllKinds[] = {Kind::allocation, Kind::buffer, Kind::thread,
                                     Kind::system_call};
const char* kind_name(Kind kind) noexcept;

enum class Mode : uint8_t { once, from_then_on };

struct Point {
  Kind kind;
  uint64_t n;  // from 1; 0: none fails
  Mode mode = Mode::once;
};

// While it lives, calls of the kind are counted, and those that the point names fail. One at a
// time.
class Fault {
 public:
  explicit Fault(Point point);
  ~Fault();
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;

  // Calls so far, those that failed included.
  uint64_t calls() const noexcept;

 private:
  const Kind kind_;
  std::optional<memory_testing::AllocationFault> buffers_;
};

}  // namespace tarn::faults
