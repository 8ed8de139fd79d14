// A step: what one entry of a batch computes and settles. One node, or a group of elementwise nodes
// fused into one program.
#pragma once

#include <memory>
#include <vector>

#include "tarn/graph/node.h"
#include "tarn/runtime/batch.h"

namespace tarn {

class Evaluation;

// Owned by its batch; used by the thread that runs the stream.
class Step {
 public:
  virtual ~Step() = default;

  // What must have settled first.
  virtual size_t n_inputs() const noexcept = 0;
  virtual const Outcome* input(size_t i) const noexcept = 0;
  // The nodes it settles.
  virtual size_t n_nodes() const noexcept = 0;
  virtual Node& node(size_t i) const noexcept = 0;

  // Computes into the step. Returns the failure of all its nodes, null if there are values to
  // settle. Requires: all inputs have settled, or been reset since the step was planned.
  virtual FailurePtr compute() noexcept = 0;
  // Publishes what was computed.
  virtual void settle_value(Announcement& announcement) noexcept = 0;
  void settle_failure(const FailurePtr& failure, Announcement& announcement) noexcept;

  virtual bool may_block() const noexcept { return false; }

  // Whether an input's bytes may be overwritten. Not in an evaluation that can be cancelled: a
  // retry of what was cancelled needs them, while the cancelled body still runs.
  bool may_donate = true;
};

// Settles `node` with `failure`, and notes it for synchronize.
void settle_with_failure(Node& node, const FailurePtr& failure,
                         Announcement& announcement) noexcept;
// Settles `node` with what `results` has for its outputs.
void settle_with_value(Node& node, ArrayData* results, Announcement& announcement) noexcept;

// The failure of the input with the lowest position, null if no input failed.
FailurePtr first_failed_input(const Node& node) noexcept;
// The record for what `node` is throwing right now. Requires: an exception is being handled.
FailurePtr record_failure_of(const Node& node) noexcept;

// A node that is not elementwise.
std::unique_ptr<Step> make_node_step(Node& node);

// An entry of a graph's batch. See BatchStep in runtime/batch.h.
class BatchEntry {
 public:
  explicit BatchEntry(std::unique_ptr<Step> step) noexcept : step_(std::move(step)) {}

  size_t n_inputs() const noexcept { return step_->n_inputs(); }
  const Outcome* input(size_t i) const noexcept { return step_->input(i); }
  FailurePtr compute() noexcept;
  void settle_value(Announcement& announcement) noexcept { step_->settle_value(announcement); }
  void settle_failure(const FailurePtr& failure, Announcement& announcement) noexcept {
    // In the child of a fork the step may be over already.
    if (step_) step_->settle_failure(failure, announcement);
  }
  void finish() noexcept;

  Step& step() const noexcept { return *step_; }
  void set_evaluation(std::shared_ptr<Evaluation> evaluation, size_t entry) noexcept {
    evaluation_ = std::move(evaluation);
    entry_ = entry;
  }

 private:
  std::unique_ptr<Step> step_;
  std::shared_ptr<Evaluation> evaluation_;  // null unless it has options
  size_t entry_ = 0;                        // the step's number there
};

using Batch = BasicBatch<StdSync, BatchEntry>;

}  // namespace tarn
