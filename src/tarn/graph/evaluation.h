// An evaluation that somebody may want to end early, or to watch.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "tarn/graph/eval.h"
#include "tarn/graph/step.h"
#include "tarn/runtime/deadline_timer.h"

namespace tarn {

// Kept alive by its unfinished steps and by whoever waits for it. Thread-safe.
class Evaluation final : public DeadlineTimer::Expirable,
                         public std::enable_shared_from_this<Evaluation> {
 public:
  Evaluation(const EvalOptions& options, size_t n_steps);
  ~Evaluation();

  // Before the batches are published: `batch` holds steps of the evaluation.
  void enter(Batch& batch);
  // When they are published: steps and evaluation know each other from now on.
  void link() noexcept;
  // After that: from now on it may be ended. It is ended at once when it cannot be watched.
  void begin() noexcept;

  // Settles at once what has not settled, but for nodes that others want: their steps, and what
  // those need, go on.
  // Requires, as the rest: the caller holds a share of this evaluation.
  void cancel(FailureKind kind, std::string_view why, std::exception_ptr cause = nullptr) noexcept;
  void expire() noexcept override;
  void cannot_expire() noexcept override;
  // Until what other threads are cancelling has settled.
  void wait_for_cancellers() const noexcept;

  // Tells running bodies that nobody wants their results any more.
  std::stop_token body_stop() const noexcept { return body_stop_.get_token(); }

  // A step is computed, and not settled yet: whoever waits for it has seen the progress.
  void step_computed() noexcept;
  // The step that was entered as number `entry` is over.
  void step_finished(size_t entry) noexcept;
  // When this returns, the progress handler is not running and will not be called.
  void silence() noexcept;

 private:
  using Nodes = std::vector<NodePtr>;
  struct Entry {
    Batch* batch;
    size_t index;
    Nodes nodes;
    std::vector<const Outcome*> inputs;  // addresses: they may be gone
  };
  void watch();
  std::vector<bool> wanted_by_others() const;
  std::vector<Entry> take_cancelled(bool& is_shared) noexcept;

  const EvalOptions options_;
  std::stop_source body_stop_;
  std::vector<Batch*> batches_;  // one share of each, once linked
  bool linked_ = false;
  std::mutex mutex_;
  std::vector<Entry> entries_;    // guarded by mutex_; finished ones are empty
  std::vector<Entry> cancelled_;  // guarded by mutex_; has room for all
  std::atomic<int> n_cancellers_{0};
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::mutex progress_mutex_;
  EvalProgress progress_;  // guarded by progress_mutex_
  bool silent_ = false;    // guarded by progress_mutex_
};

}  // namespace tarn
