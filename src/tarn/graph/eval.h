// Evaluation: what a program asks to be computed, how it waits, and how it learns what failed.
#pragma once

#include <chrono>
#include <coroutine>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "tarn/graph/array.h"

namespace tarn {

// Steps of one evaluation; a step is one kernel or one fused group of operations.
struct EvalProgress {
  size_t steps_done;
  size_t steps_total;
};

struct EvalOptions {
  // When it passes, what has not been computed fails with kind deadline.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  // When it is requested, what has not been computed fails with kind cancelled.
  std::stop_token stop = {};
  // Called from worker threads, one call at a time, when a step is computed. What it throws
  // cancels. Not called any more once a function that waits has returned.
  std::function<void(const EvalProgress&)> on_progress = {};
};

// Computes `outputs` and all they need, and waits. Throws the EvalError of the failed output whose
// root has the lowest creation number; others() has the other roots. A failed array is not computed
// again: see retry. Throws std::invalid_argument for a tracer. What a cancelled or late evaluation
// has begun ends in the background; arrays that somebody else asked for are not touched. Without
// options the calling thread may do the work itself; with them, it only waits.
void eval(std::vector<array> outputs);
void eval(std::vector<array> outputs, const EvalOptions& options);
template <typename... Arrays, typename = enable_for_arrays_t<Arrays...>>
void eval(Arrays&&... outputs) {
  eval(std::vector<array>{std::forward<Arrays>(outputs)...});
}

// The same without waiting, and so without throwing what work fails with.
void async_eval(std::vector<array> outputs);
void async_eval(std::vector<array> outputs, const EvalOptions& options);
template <typename... Arrays, typename = enable_for_arrays_t<Arrays...>>
void async_eval(Arrays&&... outputs) {
  async_eval(std::vector<array>{std::forward<Arrays>(outputs)...});
}

// What became of each output of an evaluation.
struct EvalReport {
  struct Entry {
    array::Status status;
    FailurePtr failure;  // null unless failed
  };
  std::vector<Entry> arrays;  // in the order asked for

  bool ok() const;
};

// As eval, but reports failures of work instead of throwing them. An output that is still being
// computed when the deadline passes, because somebody else asked for it too, has status evaluated.
EvalReport try_eval(std::vector<array> outputs, const EvalOptions& options = {});

// As eval, but computes failed, cancelled and abandoned nodes again. Values stay as they are.
void retry(std::vector<array> outputs, const EvalOptions& options = {});

// Calls `callback(a)` once `a` has settled, on the thread that settles it or, if it has already, at
// once. Evaluates `a` if nobody has. What the callback throws goes to the handler of unobserved
// failures.
void on_settled(const array& a, std::function<void(const array&)> callback);

// Waits for scheduled work: until `deadline`, if there is one. Returns whether `a` is available;
// throws EvalError. An array that nobody evaluated is not waited for.
bool wait(const array& a, std::optional<std::chrono::steady_clock::time_point> deadline);

// co_await settled(a): evaluates `a` without blocking, resumes on the thread that settles it, and
// yields `a` or throws its EvalError.
class SettledAwaiter {
 public:
  explicit SettledAwaiter(array a) : array_(std::move(a)) {}

  bool await_ready() const noexcept { return array_.is_available(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    on_settled(array_, [waiting](const array&) { waiting.resume(); });
  }
  array await_resume() const {
    array_.wait();
    return array_;
  }

 private:
  array array_;
};
inline SettledAwaiter settled(array a) { return SettledAwaiter(std::move(a)); }

}  // namespace tarn
