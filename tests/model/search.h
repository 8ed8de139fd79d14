// How the next execution is chosen. One search decides, step by step, which thread runs and which
// way a data choice goes.
#pragma once

#include <memory>
#include <utility>

#include "operation.h"
#include "options.h"
#include "schedule.h"

namespace tarn::model {

class Execution;

class Search {
 public:
  // Instead of a thread: every continuation from here equals one that was explored.
  static constexpr int kRedundant = -1;
  // Instead of a thread: the execution does not repeat the prefix it was meant to repeat.
  static constexpr int kDiverged = -2;

  virtual ~Search() = default;

  // Called before each execution. False when none is left.
  virtual bool next_execution() = 0;
  // The thread to run its pending operation. Requires: `enabled` is not empty.
  virtual int pick_thread(const Execution& execution, ThreadSet enabled) = 0;
  // A value from 0 to n - 1. The choice belongs to the step that is running.
  virtual int pick_choice(int n) = 0;

  // What orders threads beside the steps that were picked.
  virtual void on_spawn(int /*parent*/, int /*child*/) {}
  // Called in the step of `by`, before the waiter's pending operation changes.
  virtual void on_wake(const Execution& /*execution*/, int /*by*/, int /*waiter*/) {}
  // Nothing is enabled.
  virtual void on_deadlock(const Execution& /*execution*/) {}
};

std::unique_ptr<Search> make_search(const Options& options);

// Runs threads in turn, takes the first alternative: to let an execution that need not be explored
// come to its end.
class RoundRobin : public Search {
 public:
  bool next_execution() override { return true; }
  int pick_thread(const Execution& execution, ThreadSet enabled) override;
  int pick_choice(int) override { return 0; }

 private:
  int last_ = 0;
};

// Repeats one execution, and lets it come to its end if the schedule stops before.
class Replay : public Search {
 public:
  explicit Replay(Schedule schedule) : schedule_(std::move(schedule)) {}

  bool next_execution() override { return std::exchange(is_first_, false); }
  int pick_thread(const Execution& execution, ThreadSet enabled) override;
  int pick_choice(int n) override;

 private:
  Schedule schedule_;
  size_t next_ = 0;
  bool is_first_ = true;
  RoundRobin rest_;
};

// The thread to go on with when nothing asks for another: the one that ran last, if `allowed` has
// it. A time-out comes last of all, so that code that polls with one terminates. Requires:
// `allowed` is not empty.
int preferred_thread(const Execution& execution, ThreadSet allowed, int last);

}  // namespace tarn::model
