// Runs one node: a view, a kernel of the backend, or an operation of the host.
#include <utility>

#include "tarn/graph/array.h"
#include "tarn/graph/host_context.h"
#include "tarn/graph/operands.h"
#include "tarn/graph/primitive.h"
#include "tarn/graph/step.h"
#include "tarn/ops/tile_program.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

StreamState& stream_of(const Node& node) { return Runtime::instance().stream(node.stream); }

// A row-major copy of `source` for output 0 of `node`.
ArrayData copy_row_major(const array& source, const Node& node) {
  NodeOutput as_source{source.shape(), source.dtype()};
  ArrayData copy = allocate_row_major(as_source, node.stream);
  TileProgram program;
  program.add_output(program.add_input(source.dtype().val()));
  const ArrayData& from = source.node().output(source.index()).data;
  StridedOperand operand{from.buffer.data() + from.offset, StridedOperand::Form::strided,
                         from.strides.data()};
  void* to = copy.buffer.data();
  stream_of(node).backend.launch(program, source.shape(), {&operand, 1}, {&to, 1}, nullptr);
  return copy;
}

class NodeStep final : public Step {
 public:
  explicit NodeStep(Node& node) : node_(&node), results_(node.n_outputs()) {}

  size_t n_inputs() const noexcept override { return node_->inputs.size(); }
  const Outcome* input(size_t i) const noexcept override {
    return &node_->inputs[i].node().outcome;
  }
  size_t n_nodes() const noexcept override { return 1; }
  Node& node(size_t) const noexcept override { return *node_; }

  FailurePtr compute() noexcept override {
    if (FailurePtr failure = first_failed_input(*node_)) return failure;
    try {
      run();
      return nullptr;
    } catch (...) {
      for (ArrayData& result : results_) result = {};
      return record_failure_of(*node_);
    }
  }

  void settle_value(Announcement& announcement) noexcept override {
    settle_with_value(*node_, results_.data(), announcement);
  }

  bool may_block() const noexcept override { return node_->op.op_class().may_block; }

 private:
  void run() {
    const Op& op = node_->op;
    switch (op.op_class().family) {
      case OpFamily::view:
        return run_view(op);
      case OpFamily::kernel:
        return run_kernel(op);
      case OpFamily::host: {
        HostContext context(*node_, results_.data());
        return op.op_class().run(op.params(), context);
      }
      case OpFamily::elementwise:
        break;
    }
    __builtin_unreachable();  // elementwise nodes are ElementwiseSteps
  }

  void run_view(const Op& op) {
    const array& input = node_->inputs[0];
    const ArrayData& data = input.node().output(input.index()).data;
    auto layout = op.op_class().layout(op.params(), {input.shape(), data.strides, 0});
    if (layout) {
      results_[0] = share(data, input.dtype(), *layout);
      return;
    }
    ArrayData copy = copy_row_major(input, *node_);
    layout = op.op_class().layout(op.params(), {input.shape(), copy.strides, 0});
    results_[0] = share(copy, input.dtype(), *layout);
  }

  void run_kernel(const Op& op) {
    SmallVector<View, 4> inputs;
    for (const array& input : node_->inputs) {
      inputs.push_back(view_of(input.node().output(input.index())));
    }
    SmallVector<View, 4> outputs;
    for (uint32_t i = 0; i < node_->n_outputs(); ++i) {
      const bool overwrites = i == 0 && op.op_class().may_overwrite_input && owns_input(inputs[0]);
      results_[i] = overwrites ? node_->inputs[0].node().output(node_->inputs[0].index()).data
                               : allocate_row_major(node_->output(i), node_->stream);
      outputs.push_back(view_of(node_->output(i), results_[i]));
    }
    stream_of(*node_).backend.launch(op.op_class(), op.params(), {inputs.data(), inputs.size()},
                                     {outputs.data(), outputs.size()});
  }

  // Whether the first input dies with this step, and can be its output.
  bool owns_input(const View& view) const {
    const array& input = node_->inputs[0];
    return may_donate && input.is_donatable() && is_row_contiguous(view) &&
           input.shape() == node_->first_output.shape && input.dtype() == node_->first_output.dtype;
  }

  NodePtr node_;
  SmallVector<ArrayData, 1> results_;
};

}  // namespace

std::unique_ptr<Step> make_node_step(Node& node) { return std::make_unique<NodeStep>(node); }

FailurePtr first_failed_input(const Node& node) noexcept {
  for (const array& input : node.inputs) {
    if (FailurePtr failure = input.node().outcome.last_failure()) return failure;
  }
  return nullptr;
}

FailurePtr record_failure_of(const Node& node) noexcept {
  FailureSite site{.op = name_of(node), .node = node.number, .stream = node.stream};
  std::string origin;
  try {
    for (const array& input : node.inputs) site.inputs.push_back({input.shape(), input.dtype()});
    if (node.origin) origin = node.origin->describe();
    site.origin = origin;
  } catch (...) {
    // Without memory the record says less.
  }
  return record_failure(std::current_exception(), site);
}

void settle_with_failure(Node& node, const FailurePtr& failure,
                         Announcement& announcement) noexcept {
  stream_of(node).failures.note(plain_record(failure));
  node.outcome.settle_failure(failure, announcement);
}

void settle_with_value(Node& node, ArrayData* results, Announcement& announcement) noexcept {
  for (uint32_t i = 0; i < node.n_outputs(); ++i) node.output(i).data = std::move(results[i]);
  // Before the value is published: whoever waits for it finds the memory of the inputs free.
  node.detach();
  node.outcome.settle_value(announcement);
}

void Step::settle_failure(const FailurePtr& failure, Announcement& announcement) noexcept {
  for (size_t i = 0; i < n_nodes(); ++i) {
    // In the child of a fork a step may have been half way through.
    if (!node(i).outcome.is_settled()) settle_with_failure(node(i), failure, announcement);
  }
}

}  // namespace tarn
