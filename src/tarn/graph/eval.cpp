#include "tarn/graph/eval.h"

#include <algorithm>
#include <memory>

#include "tarn/base/error.h"
#include "tarn/graph/claims.h"
#include "tarn/graph/evaluation.h"
#include "tarn/graph/planner.h"
#include "tarn/graph/primitive.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/running_queue.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

using TimePoint = std::chrono::steady_clock::time_point;

struct DropBatch {
  void operator()(Batch* batch) const noexcept { batch->drop(); }
};

// Runs a batch inside of the task that evaluates it.
void run_nested(StreamQueue& queue, Batch& batch) noexcept {
  while (Pending pending = batch.advance()) {
    pending.outcome->wait(std::nullopt,
                          [&] { return !pending.must_wait() || batch.is_next_settled(); });
  }
  queue.leave_nested(batch);
  batch.release();
}

// The same on another thread, so that the one that evaluates can stop waiting for it.
class NestedRun final : public Runnable {
 public:
  explicit NestedRun(StreamQueue& queue) : queue_(queue), running_(RunningQueue::all()) {}

  void start(Batch& batch) noexcept {
    batch_ = &batch;
    if (!Runtime::instance().pool().submit(*this)) no_thread();
  }

 private:
  void run() noexcept override {
    run_within(running_);
    delete this;
  }
  // Then whoever finds out, mostly the thread that waits.
  void no_thread() noexcept override { run(); }

  // As a part of what the evaluating thread runs.
  void run_within(std::span<const void* const> queues) noexcept {
    if (queues.empty()) return run_nested(queue_, *batch_);
    RunningQueue running(queues.back());
    run_within(queues.first(queues.size() - 1));
  }

  StreamQueue& queue_;
  const std::vector<const void*> running_;
  Batch* batch_ = nullptr;
};

// The steps of one stream, on their way into its queue.
struct StreamBatch {
  StreamState* state;
  std::vector<BatchEntry> entries;
  std::unique_ptr<Batch, DropBatch> batch = nullptr;  // the queue's once it is pushed
  std::unique_ptr<NestedRun> nested_run = nullptr;
  bool must_start = false;
};

bool has_effect(const EvalOptions& options) {
  return options.deadline || options.stop.stop_possible() || options.on_progress;
}

// By stream; the order of steps within a stream is that of the plan.
std::vector<StreamBatch> split_by_stream(std::vector<Planner::PlannedStep>& steps) {
  std::vector<StreamBatch> batches;
  for (Planner::PlannedStep& planned : steps) {
    auto batch = std::find_if(batches.begin(), batches.end(), [&](const StreamBatch& known) {
      return known.state->stream == planned.stream;
    });
    if (batch == batches.end()) {
      batch = batches.emplace(batch, StreamBatch{&Runtime::instance().stream(planned.stream), {}});
      batch->entries.reserve(steps.size());
    }
    batch->entries.emplace_back(std::move(planned.step));
  }
  return batches;
}

// Whether a thread that waits for all of it, come what may, can run it itself: that saves waking
// another thread, and being woken.
bool may_run_on_waiting_thread(const std::vector<StreamBatch>& batches) {
  return batches.size() == 1 &&
         std::none_of(batches[0].entries.begin(), batches[0].entries.end(),
                      [](const BatchEntry& entry) { return entry.step().may_block(); });
}

FailurePtr failure_of_dropped_batch() noexcept {
  return record_failure(FailureKind::abandoned, "its evaluation was dropped before it ran",
                        {.op = "eval"});
}

// Enters the batches of one evaluation into their queues at one instant: see Note [Claims]. Batches
// whose stream must be started, or run, are marked.
void publish(std::vector<StreamBatch>& batches, Planner& planner, Evaluation* evaluation) noexcept {
  std::sort(batches.begin(), batches.end(), [](const StreamBatch& a, const StreamBatch& b) {
    return a.state->stream.index < b.state->stream.index;
  });
  if (evaluation != nullptr) evaluation->link();
  for (StreamBatch& batch : batches) batch.state->queue.mutex().lock();
  planner.schedule();
  for (StreamBatch& batch : batches) {
    batch.batch->commit(failure_of_dropped_batch);
    // Work inside of a task of this stream is a part of that task.
    if (RunningQueue::is(&batch.state->queue)) {
      batch.state->queue.enter_nested(*batch.batch);
    } else {
      batch.must_start = batch.state->queue.push(*batch.batch);
    }
  }
  for (StreamBatch& batch : batches) batch.state->queue.mutex().unlock();
}

// Requires: published. The batches are the queues', or gone, afterwards.
void start(std::vector<StreamBatch>& batches, bool may_run_inline) noexcept {
  for (StreamBatch& batch : batches) {
    if (batch.must_start && !may_run_inline) batch.state->queue.start();
  }
  for (StreamBatch& batch : batches) {
    Batch& owed = *batch.batch.release();
    if (batch.nested_run) {
      batch.nested_run.release()->start(owed);
    } else if (RunningQueue::is(&batch.state->queue)) {
      run_nested(batch.state->queue, owed);
    } else if (batch.must_start && may_run_inline) {
      batch.state->queue.run_inline(owed);
    }
  }
}

struct Scheduled {
  uint64_t ticket;                         // see Note [Retry]
  std::shared_ptr<Evaluation> evaluation;  // null without options, or with nothing to compute
};

// Gets `outputs` computed.
Scheduled schedule(std::span<const array> outputs, const EvalOptions* options, bool will_wait) {
  std::vector<StreamBatch> batches;
  std::shared_ptr<Evaluation> evaluation;
  uint64_t ticket;
  bool may_run_inline;
  {
    Planner planner(outputs);
    ticket = planner.ticket();
    std::vector<Planner::PlannedStep>& steps = planner.steps();
    if (steps.empty()) return {ticket, nullptr};
    if (options != nullptr) {
      evaluation = std::make_shared<Evaluation>(*options, steps.size());
      for (Planner::PlannedStep& planned : steps) planned.step->may_donate = false;
    }
    batches = split_by_stream(steps);
    may_run_inline = will_wait && !evaluation && may_run_on_waiting_thread(batches);
    for (StreamBatch& batch : batches) {
      batch.batch.reset(new Batch(std::move(batch.entries), ticket, evaluation != nullptr));
      if (!evaluation) continue;
      evaluation->enter(*batch.batch);
      StreamQueue& queue = batch.state->queue;
      if (RunningQueue::is(&queue)) batch.nested_run = std::make_unique<NestedRun>(queue);
    }
    publish(batches, planner, evaluation.get());
  }
  start(batches, may_run_inline);
  if (evaluation) evaluation->begin();
  return {ticket, std::move(evaluation)};
}

// "[add] number 12", for a dependent of what failed.
std::string place_of(const Node& node, const Failure& root) {
  return node.number == root.node ? "" : fmt::format("[{}] number {}", name_of(node), node.number);
}

// What `output` failed with as far as a plan with `ticket` is concerned: another thread may be
// retrying it since.
FailurePtr failure_since(const array& output, uint64_t ticket) {
  const Outcome& outcome = output.node().outcome;
  return outcome.must_wait(ticket) ? nullptr : outcome.last_failure();
}

// Throws for the failed output whose root has the lowest creation number, if there is one.
void throw_if_failed(std::span<const array> outputs, uint64_t ticket) {
  const array* reported = nullptr;
  FailurePtr failure;
  for (const array& output : outputs) {
    FailurePtr candidate = failure_since(output, ticket);
    if (!candidate || (failure && failure->node <= candidate->node)) continue;
    failure = std::move(candidate);
    reported = &output;
  }
  if (!failure) return;
  std::string place;
  std::vector<FailurePtr> others;
  try {
    visit_failures(outputs, [&](const Node& node, FailurePtr other) {
      if (&node == &reported->node()) place = place_of(node, *failure);
      if (other != failure) others.push_back(std::move(other));
    });
  } catch (const std::bad_alloc&) {
    // Then the error tells of the failure alone.
  }
  std::sort(others.begin(), others.end(), [](const FailurePtr& a, const FailurePtr& b) {
    return std::pair(a->node, a.get()) < std::pair(b->node, b.get());
  });
  others.erase(std::unique(others.begin(), others.end()), others.end());
  throw_failure(failure, place, others);
}

// Waits until all outputs have settled or the options end the wait; then returns why.
std::optional<FailureKind> wait_all(std::span<const array> outputs, const EvalOptions& options,
                                    const Scheduled& scheduled) {
  auto stopped = [&] { return options.stop.stop_requested(); };
  std::stop_callback wake(options.stop, [&] {
    for (const array& output : outputs) Outcome::interrupt(&output.node().outcome);
  });
  auto all_settled = [&] {
    // The last first: on one stream it is the last to settle, and nobody is woken for the others.
    return std::all_of(outputs.rbegin(), outputs.rend(), [&](const array& output) {
      const Outcome& outcome = output.node().outcome;
      auto over = [&] { return !outcome.must_wait(scheduled.ticket); };
      return outcome.wait(options.deadline, [&] { return stopped() || over(); }) || over();
    });
  };
  Evaluation* evaluation = scheduled.evaluation.get();
  std::optional<FailureKind> why;
  if (!all_settled()) {
    why = stopped() ? FailureKind::cancelled : FailureKind::deadline;
    if (evaluation && why == FailureKind::deadline) evaluation->expire();
    if (evaluation && why == FailureKind::cancelled) {
      evaluation->cancel(*why, "the evaluation was cancelled");
    }
    if (evaluation) evaluation->wait_for_cancellers();
    // What others asked for too goes on, and this wait ends without it.
    if (all_settled()) why.reset();
  }
  if (evaluation) evaluation->silence();
  return why;
}

[[noreturn]] void throw_wait_ended(FailureKind why) {
  const char* text = why == FailureKind::deadline
                         ? "the deadline passed while waiting for what another evaluation computes"
                         : "the wait for what another evaluation computes was cancelled";
  FailurePtr failure = record_failure(why, text, {.op = "eval"});
  throw_failure(failure);
}

void eval_and_wait(std::span<const array> outputs, const EvalOptions& options) {
  Scheduled scheduled = schedule(outputs, has_effect(options) ? &options : nullptr, true);
  std::optional<FailureKind> ended = wait_all(outputs, options, scheduled);
  throw_if_failed(outputs, scheduled.ticket);
  if (ended) throw_wait_ended(*ended);
}

// Owns a callback until its array settles.
class SettledCallback final : public Continuation {
 public:
  SettledCallback(array a, std::function<void(const array&)> callback)
      : Continuation(Kind::may_wait), array_(std::move(a)), callback_(std::move(callback)) {}

  void settled() noexcept override {
    // A retry may have come before the one who settled the array got here.
    if (array_.node().outcome.on_settled(*this)) return;
    try {
      callback_(array_);
    } catch (...) {
      const Node& node = array_.node();
      // Nobody waits for a callback: dropping the only share of the record reports it.
      record_failure(std::current_exception(),
                     {.op = "on_settled", .node = node.number, .stream = node.stream});
    }
    delete this;
  }

 private:
  array array_;
  std::function<void(const array&)> callback_;
};

}  // namespace

void eval(std::vector<array> outputs) { eval_and_wait(outputs, {}); }

void eval(std::vector<array> outputs, const EvalOptions& options) {
  eval_and_wait(outputs, options);
}

void async_eval(std::vector<array> outputs) { schedule(outputs, nullptr, false); }

void async_eval(std::vector<array> outputs, const EvalOptions& options) {
  schedule(outputs, has_effect(options) ? &options : nullptr, false);
}

bool EvalReport::ok() const {
  return std::all_of(arrays.begin(), arrays.end(),
                     [](const Entry& entry) { return entry.status == array::Status::available; });
}

EvalReport try_eval(std::vector<array> outputs, const EvalOptions& options) {
  Scheduled scheduled = schedule(outputs, has_effect(options) ? &options : nullptr, true);
  wait_all(outputs, options, scheduled);
  EvalReport report;
  for (const array& output : outputs) {
    FailurePtr failure = failure_since(output, scheduled.ticket);
    if (failure) failure->mark_observed();
    report.arrays.push_back({failure ? array::Status::failed : output.status(),
                             failure ? plain_record(failure) : nullptr});
  }
  return report;
}

void retry(std::vector<array> outputs, const EvalOptions& options) {
  reset_failed(outputs);
  eval_and_wait(outputs, options);
}

void on_settled(const array& a, std::function<void(const array&)> callback) {
  check(callback != nullptr, "on_settled", "there is no callback.");
  auto continuation = std::make_unique<SettledCallback>(a, std::move(callback));
  async_eval(a);
  if (a.node().outcome.on_settled(*continuation)) {
    continuation.release();
  } else {
    continuation.release()->settled();
  }
}

bool wait(const array& a, std::optional<TimePoint> deadline) {
  const Outcome& outcome = a.node().outcome;
  // A retry that begins now is not waited for: it may come to nothing.
  const uint64_t ticket = outcome.last_reset();
  auto over = [&] { return !outcome.must_wait(ticket); };
  if (a.status() == array::Status::unscheduled && !over()) return false;
  if (!outcome.wait(deadline, over) && !over()) return false;
  throw_if_failed({&a, 1}, ticket);
  return true;
}

}  // namespace tarn
