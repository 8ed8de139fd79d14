// One run of a program with a fault somewhere, and what must hold afterwards.
#pragma once

#include <atomic>
#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "tarn/tarn.h"
#include "tests/faults/fault_points.h"

namespace tarn::faults {

// What a program hands out to be looked at when it is over.
class Trace {
 public:
  Trace() { arrays_.reserve(kMaxArrays); }

  // Each of these arrays must end as it does without faults, or with a failure that says truthfully
  // what went wrong. Returns `a`. Allocates nothing.
  array keep(array a);
  const std::vector<array>& arrays() const { return arrays_; }

  // That `happens` will be called exactly once; with `by_thread`, if threads can be had.
  void promise(bool by_thread = false) noexcept { ++(by_thread ? promised_by_thread_ : promised_); }
  void happens() noexcept { ++happened_; }
  bool promises_kept(bool has_threads) const noexcept {
    const int all = promised_ + promised_by_thread_;
    return has_threads ? happened_ == all : happened_ >= promised_ && happened_ <= all;
  }

 private:
  static constexpr size_t kMaxArrays = 16;
  std::vector<array> arrays_;
  int promised_ = 0;
  int promised_by_thread_ = 0;
  std::atomic<int> happened_{0};
};

struct Program {
  const char* name;
  void (*run)(Trace& trace);
  // Kinds that its arrays may fail with also without faults, depending on the time.
  std::vector<FailureKind> also = {};
  const char* needs_threads_because = nullptr;  // null: it ends also when no thread can be had
};
inline void PrintTo(const Program& program, std::ostream* os) { *os << program.name; }
const std::vector<Program>& programs();
// Makes the files that they read, without using the runtime.
void prepare_files();

// How an array ended.
struct State {
  array::Status status;
  FailureKind kind{};
  std::string message;
  std::vector<std::byte> bytes;  // of its elements in row-major order
};

// What became of the arrays of one run.
struct Ending {
  std::vector<State> at_first;
  std::vector<State> after_retry;  // without faults
  std::string thrown;              // by the program; empty: nothing
  bool thrown_is_legitimate = true;
  bool promises_kept = true;
  uint64_t calls = 0;  // of the kind of the fault
};

// Runs the program with a fault, lets all it has started come to an end, and retries without one.
Ending run_with_fault(const Program& program, Point point);

// Reports to GoogleTest how `ending`, with a fault of this kind, differs from what it may be.
// `golden` is that of a run without faults.
void expect_truthful(const Program& program, Kind kind, const Ending& ending, const Ending& golden);

}  // namespace tarn::faults
