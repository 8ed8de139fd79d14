// A stateless model checker for code that is a template over a sync policy (see model_sync.h). It
// runs a body again and again, each time with another order of its threads' operations, and reports
// the first execution that fails.
//
//   Result result = explore(dpor(), [] {
//     ModelSync::atomic<int> n{0};
//     ModelSync::thread other([&] { n.store(1); });
//     check(n.load() == 0, "not always");
//     other.join();
//   });
//   EXPECT_TRUE(result.complete);
//   EXPECT_EQ(result.failure, "");
//
// An execution fails by `check`, a deadlock, an exception that leaves a thread, std::terminate, a
// failed assert, a data race on a `plain`, the use of a destroyed object, or objects that are left
// at its end.
//
// Requires of the body:
// - It is deterministic but for the schedule and `choose`: no time, addresses or thread_local in
//   decisions.
// - Its threads share nothing that matters but through ModelSync. A std::shared_ptr's count is
//   invisible: of two threads that drop the last owners, not every order is explored.
// - Loops that spin end by themselves.
// Memory is sequentially consistent; memory orders only matter for finding races on `plain`.
// Not thread-safe: one exploration at a time in a process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "execution.h"
#include "options.h"

namespace tarn::model {

struct Result {
  // The search went through all executions it is to find: all there are (dpor, brute force), or
  // within the bound.
  bool complete = false;
  // What went wrong first and the schedule that shows it again; "" when nothing did.
  std::string failure;
  std::string message;   // the first part of `failure`
  std::string schedule;  // for `replay`
  std::string trace;     // a line per step, only from `replay`

  int64_t n_executions = 0;  // without the redundant ones
  int64_t n_redundant = 0;   // abandoned half-way because the rest had been seen
  int64_t n_truncated = 0;   // longer than max_steps
  int64_t n_failures = 0;
  int longest = 0;    // steps of the longest execution
  int n_threads = 0;  // the most in one execution
  double seconds = 0;
  double pct_bound = 0;  // of pct: the least probability that one execution hits a bug of its depth

  // One line of figures.
  std::string summary() const;
};

Result explore(const Options& options, const std::function<void()>& body);

// Runs the one execution that `schedule` describes. Throws std::invalid_argument when it is not a
// schedule.
Result replay(const std::string& schedule, const std::function<void()>& body,
              const Options& options = {});

// ---- For bodies.

// Ends the execution as failed unless `condition`. May be called in noexcept functions and
// destructors.
inline void check(bool condition, const char* message) {
  if (!condition) Execution::current().fail(message);
}

// 0 to n - 1; all of them are explored. Requires: n >= 1.
inline int choose(int n) { return Execution::current().choose(n); }

// A place where something may go wrong, or not.
inline bool fault() { return choose(2) == 1; }

// Lets virtual time pass, beside what timed waits do.
inline void advance_clock(int64_t ns) {
  Execution& execution = Execution::current();
  execution.advance_clock(execution.now_ns() + ns);
}

// Base or member of objects of which none may be left at the end of an execution. All objects of
// ModelSync count, too.
class Tracked {
 public:
  Tracked() { Execution::current().count_tracked(+1); }
  Tracked(const Tracked&) : Tracked() {}
  Tracked& operator=(const Tracked&) = default;
  ~Tracked() { Execution::current().count_tracked(-1); }
};

// A T that lives until all threads of the execution have finished: what is a static variable in the
// real program. Requires: T's destructor does nothing but destroy.
template <class T>
T& per_execution() {
  static const char key = 0;
  Execution& execution = Execution::current();
  void* value = execution.find_local(&key);
  if (value == nullptr) {
    value = new T;
    execution.add_local(&key, value, [](void* old) { delete static_cast<T*>(old); });
  }
  return *static_cast<T*>(value);
}

}  // namespace tarn::model
