#include "tarn/graph/evaluation.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tarn/graph/host_context.h"
#include "tarn/graph/primitive.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

// Of the evaluation whose step this thread is computing.
thread_local std::stop_token running_body_stop;

}  // namespace

Evaluation::Evaluation(const EvalOptions& options, size_t n_steps)
    : options_(options), progress_{0, n_steps} {
  entries_.reserve(n_steps);
  cancelled_.reserve(n_steps);
}

Evaluation::~Evaluation() {
  on_stop_.reset();
  if (options_.deadline) Runtime::instance().deadlines().forget(this);
  if (!linked_) return;
  for (Batch* batch : batches_) batch->drop();
}

void Evaluation::enter(Batch& batch) {
  batches_.push_back(&batch);
  for (size_t index = 0; index < batch.n_steps(); ++index) {
    Step& step = batch.step(index).step();
    Entry entry{&batch, index, {}, {}};
    for (size_t i = 0; i < step.n_nodes(); ++i) entry.nodes.emplace_back(&step.node(i));
    for (size_t i = 0; i < step.n_inputs(); ++i) entry.inputs.push_back(step.input(i));
    entries_.push_back(std::move(entry));
  }
}

void Evaluation::link() noexcept {
  linked_ = true;
  for (Batch* batch : batches_) batch->share();
  for (size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].batch->step(entries_[i].index).set_evaluation(shared_from_this(), i);
  }
}

void Evaluation::begin() noexcept {
  try {
    watch();
  } catch (const std::bad_alloc&) {
    cancel(FailureKind::out_of_memory, "no memory to watch the evaluation",
           std::current_exception());
  }
}

void Evaluation::watch() {
  if (options_.deadline)
    Runtime::instance().deadlines().schedule(*options_.deadline, shared_from_this());
  if (options_.stop.stop_possible()) {
    on_stop_.emplace(options_.stop, [weak = weak_from_this()] {
      if (auto self = weak.lock())
        self->cancel(FailureKind::cancelled, "the evaluation was cancelled");
    });
  }
}

void Evaluation::expire() noexcept {
  cancel(FailureKind::deadline, "the deadline of the evaluation passed");
}

void Evaluation::cannot_expire() noexcept {
  cancel(FailureKind::abandoned, "no thread to watch the deadline of the evaluation");
}

// Which entries others want, directly or as something that a wanted entry needs.
std::vector<bool> Evaluation::wanted_by_others() const {
  std::vector<bool> wanted(entries_.size());
  std::unordered_set<const Outcome*> needed;
  for (bool found = true; found;) {
    found = false;
    // From the back, since users stand behind what they need: on one stream one pass finds all.
    for (size_t i = entries_.size(); i-- > 0;) {
      const Entry& entry = entries_[i];
      if (wanted[i]) continue;
      wanted[i] = std::any_of(entry.nodes.begin(), entry.nodes.end(), [&](const NodePtr& node) {
        return node->wanted_elsewhere.load() || needed.contains(&node->outcome);
      });
      if (!wanted[i]) continue;
      needed.insert(entry.inputs.begin(), entry.inputs.end());
      found = true;
    }
  }
  return wanted;
}

// Those whose steps this call has claimed.
std::vector<Evaluation::Entry> Evaluation::take_cancelled(bool& is_shared) noexcept {
  std::lock_guard lock(mutex_);
  std::vector<bool> wanted;
  try {
    wanted = wanted_by_others();
  } catch (const std::bad_alloc&) {
    // Then others lose what they shared with this evaluation; they can retry it.
  }
  is_shared = std::find(wanted.begin(), wanted.end(), true) != wanted.end();
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (entry.nodes.empty() || (!wanted.empty() && wanted[i])) continue;
    if (entry.batch->claim(entry.index)) cancelled_.push_back(std::move(entry));
  }
  return std::move(cancelled_);
}

void Evaluation::cancel(FailureKind kind, std::string_view why, std::exception_ptr cause) noexcept {
  n_cancellers_.fetch_add(1);
  // One record for all: what was ended is one evaluation.
  FailurePtr failure;
  bool is_shared;
  const std::vector<Entry> cancelled = take_cancelled(is_shared);
  Announcement announcement;
  for (const Entry& entry : cancelled) {
    for (const NodePtr& node : entry.nodes) {
      if (!failure) {
        failure = record_failure(
            kind, why, {.op = name_of(*node), .node = node->number, .stream = node->stream},
            std::move(cause));
      }
      settle_with_failure(*node, failure, announcement);
    }
  }
  if (n_cancellers_.fetch_sub(1) == 1) n_cancellers_.notify_all();
  // Only now, since waking a stream that finds no thread ends its steps here: see finish.
  for (const Entry& entry : cancelled) {
    // Who runs the step may be waiting for an input, which it needs no more: parked, or asleep.
    Runtime::instance().stream(entry.nodes.front()->stream).queue.wake();
    for (const Outcome* input : entry.inputs) Outcome::interrupt(input);
  }
  if (!is_shared) body_stop_.request_stop();
}

void Evaluation::wait_for_cancellers() const noexcept {
  while (int n = n_cancellers_.load()) n_cancellers_.wait(n);
}

void Evaluation::step_finished(size_t entry) noexcept {
  Nodes nodes;  // dropped without the lock: they may be the last owners of their graphs
  {
    std::lock_guard lock(mutex_);
    nodes = std::move(entries_[entry].nodes);
    entries_[entry].nodes.clear();
    entries_[entry].inputs.clear();
  }
}

void Evaluation::step_computed() noexcept {
  if (!options_.on_progress) return;
  try {
    std::lock_guard lock(progress_mutex_);
    ++progress_.steps_done;
    if (!silent_) options_.on_progress(progress_);
  } catch (...) {
    cancel(FailureKind::cancelled, "the progress handler threw", std::current_exception());
  }
}

void Evaluation::silence() noexcept {
  std::lock_guard lock(progress_mutex_);
  silent_ = true;
}

FailurePtr BatchEntry::compute() noexcept {
  // Work inside of a body that is to stop stops with it, so without an evaluation nothing changes.
  if (!evaluation_) return step_->compute();
  std::stop_token outer = std::exchange(running_body_stop, evaluation_->body_stop());
  FailurePtr failure = step_->compute();
  const bool was_stopped = std::exchange(running_body_stop, std::move(outer)).stop_requested();
  // A body that ended because it was told to has nothing to report.
  if (was_stopped && failure && failure->kind == FailureKind::cancelled) failure->mark_observed();
  evaluation_->step_computed();
  return failure;
}

std::stop_token HostContext::stop() const noexcept { return running_body_stop; }

void BatchEntry::finish() noexcept {
  step_.reset();
  if (std::shared_ptr<Evaluation> evaluation = std::move(evaluation_)) {
    evaluation->step_finished(entry_);
    // Who has claimed the step may not have settled it yet, and a stream that gets idle has.
    evaluation->wait_for_cancellers();
  }
}

}  // namespace tarn
