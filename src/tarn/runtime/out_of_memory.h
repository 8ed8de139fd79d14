// The exception of a failed allocation.
#pragma once

#include <cstddef>
#include <new>

namespace tarn {

// Thrown when host memory, or the byte limit, does not suffice. Composed without allocating.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(size_t wanted, size_t active, size_t limit) noexcept;

  // "out of memory: wanted … bytes, … active, limit …"
  const char* what() const noexcept override { return message_; }

  size_t wanted() const noexcept { return wanted_; }
  size_t active() const noexcept { return active_; }
  size_t limit() const noexcept { return limit_; }

 private:
  size_t wanted_;
  size_t active_;
  size_t limit_;
  char message_[128];
};

}  // namespace tarn
