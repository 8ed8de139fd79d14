#include "tests/faults/fault_points.h"

#include <iterator>

#include "tests/faults/counted_calls.h"

namespace tarn::faults {

namespace {

constinit Calls calls_of_kind[std::size(kAllKinds)];

}  // namespace

Calls& calls_of(Kind kind) noexcept { return calls_of_kind[static_cast<size_t>(kind)]; }

const char* kind_name(Kind kind) noexcept {
  static constexpr const char* kNames[] = {"allocation", "buffer", "thread", "system call"};
  return kNames[static_cast<size_t>(kind)];
}

Fault::Fault(Point point) : kind_(point.kind) {
  if (kind_ == Kind::buffer) {
    buffers_.emplace(point.n, point.mode == Mode::once ? memory_testing::Fail::once
                                                       : memory_testing::Fail::from_then_on);
    return;
  }
  Calls& calls = calls_of(kind_);
  calls.count = 0;
  calls.first_failing = point.n;
  calls.then_all = point.mode == Mode::from_then_on;
  calls.counting = true;
}

Fault::~Fault() { calls_of(kind_).counting = false; }

uint64_t Fault::calls() const noexcept {
  return buffers_ ? buffers_->tried() : calls_of(kind_).count.load();
}

}  // namespace tarn::faults
