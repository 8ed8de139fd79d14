#include "tarn/graph/elementwise_step.h"

#include <algorithm>
#include <array>

#include "tarn/graph/host_context.h"
#include "tarn/graph/operands.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

// More outputs than are sure when a node joins may turn up when the group is closed: those that
// nodes outside of it use.
constexpr int kMaxSureOutputs = kMaxTileOutputs - 4;

// The dtype that a node's instruction computes in: that of its operands but for a condition.
Dtype::Val compute_dtype_of(const Node& node) { return node.inputs.back().dtype().val(); }

TileInstr instr_of(const Node& node, const TileValue* values) {
  size_t last = node.inputs.size() - 1;
  return {node.op.op_class().code,
          values[0],
          values[std::min<size_t>(1, last)],
          values[last],
          compute_dtype_of(node),
          node.first_output.dtype.val()};
}

// What a program reads: data of an array of some shape that broadcasts to the program's.
struct Source {
  const Shape* shape;
  const ArrayData* data;
};

// The program's operands, and the strides that they point to.
class Operands {
 public:
  Operands(const Shape& shape, std::span<const Source> sources, Backend& backend) {
    bool all_dense = true;
    for (size_t i = 0; i < sources.size(); ++i) all_dense &= place(shape, sources[i], i);
    n_ = sources.size();
    if (all_dense) return;
    for (size_t i = 0; i < n_; ++i) {
      if (operands_[i].form != StridedOperand::Form::dense) continue;
      strides_[i] = row_major_strides(shape);
      operands_[i].strides = strides_[i].data();
    }
    is_row_major_ = false;
    if (backend.choose_output_strides(shape, span(), output_strides_)) {
      for (size_t i = 0; i < n_; ++i) {
        if (operands_[i].form == StridedOperand::Form::strided) {
          operands_[i].form = StridedOperand::Form::dense;
        }
      }
    }
  }

  std::span<const StridedOperand> span() const { return {operands_.data(), n_}; }
  // Null: row-major.
  const int64_t* output_strides() const { return is_row_major_ ? nullptr : output_strides_.data(); }
  Strides layout(const Shape& shape) const {
    return is_row_major_ ? row_major_strides(shape) : output_strides_;
  }
  bool is_dense(size_t i) const { return operands_[i].form == StridedOperand::Form::dense; }

 private:
  // Returns whether the operand is dense in row-major order or a single element.
  bool place(const Shape& shape, const Source& source, size_t i) {
    const ArrayData& data = *source.data;
    operands_[i].data = data.buffer.data() + data.offset;
    if (data.flags.row_contiguous && *source.shape == shape) {
      operands_[i].form = StridedOperand::Form::dense;
    } else if (data.data_size == 1) {
      operands_[i].form = StridedOperand::Form::scalar;
    } else {
      strides_[i] = broadcast_strides({*source.shape, data.strides, 0}, shape);
      operands_[i].strides = strides_[i].data();
      operands_[i].form = StridedOperand::Form::strided;
      return false;
    }
    return true;
  }

  std::array<StridedOperand, kMaxTileInputs> operands_;
  std::array<Strides, kMaxTileInputs> strides_;
  size_t n_ = 0;
  bool is_row_major_ = true;
  Strides output_strides_;
};

ArrayData dense_data(BufferRef buffer, int64_t offset, const Shape& shape, Strides strides) {
  Density dense = density(shape, strides);
  return {std::move(buffer), std::move(strides), offset, dense.data_size, dense.flags};
}

}  // namespace

int ElementwiseStep::find_leaf(const array& source) const noexcept {
  for (size_t i = leaves_.size(); i-- > 0;) {
    if (leaves_[i].source.id() == source.id()) return int(i);
  }
  return -1;
}

bool ElementwiseStep::has_room(const Node& node, const Operand* operands,
                               bool is_output) const noexcept {
  int new_leaves = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    new_leaves += !operands[i].is_member && find_leaf(node.inputs[i]) < 0;
  }
  return program_.n_instrs() < kMaxTileInstrs &&
         int(leaves_.size()) + new_leaves <= kMaxTileInputs &&
         n_sure_outputs_ + is_output <= kMaxSureOutputs;
}

TileValue ElementwiseStep::leaf_value(const array& source) {
  int known = find_leaf(source);
  if (known >= 0) {
    ++leaves_[known].n_uses;
    return TileValue(known);
  }
  leaves_.push_back({source, 1});
  return program_.add_input(source.dtype().val());
}

TileValue ElementwiseStep::add(Node& node, const Operand* operands, bool is_output) {
  TileValue values[3];
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    values[i] = operands[i].is_member ? operands[i].value : leaf_value(node.inputs[i]);
  }
  TileValue value = program_.add_instr(instr_of(node, values));
  members_.push_back({&node, value});
  n_sure_outputs_ += is_output;
  return value;
}

bool ElementwiseStep::has_room_for(const ElementwiseStep& other, const Node& next) const noexcept {
  return program_.n_instrs() + other.program_.n_instrs() < kMaxTileInstrs &&
         leaves_.size() + other.leaves_.size() + next.inputs.size() <= kMaxTileInputs &&
         n_sure_outputs_ + other.n_sure_outputs_ < kMaxSureOutputs;
}

void ElementwiseStep::absorb(ElementwiseStep& other, std::vector<TileValue>& new_values) {
  TileValue moved[kMaxTileValues];
  for (size_t i = 0; i < other.leaves_.size(); ++i) {
    moved[i] = leaf_value(other.leaves_[i].source);
    leaves_[moved[i]].n_uses += other.leaves_[i].n_uses - 1;
  }
  new_values.clear();
  for (size_t i = 0; i < other.members_.size(); ++i) {
    TileInstr instr = other.program_.instr(int(i));
    instr.a = moved[instr.a];
    instr.b = moved[instr.b];
    instr.c = moved[instr.c];
    TileValue value = program_.add_instr(instr);
    moved[kMaxTileInputs + i] = value;
    members_.push_back({other.members_[i].node, value});
    new_values.push_back(value);
  }
  n_sure_outputs_ += other.n_sure_outputs_;
}

void ElementwiseStep::add_output(Node& node, TileValue value) {
  outputs_.push_back({NodePtr(&node), {}, nullptr});
  if (program_.n_outputs() < kMaxTileOutputs) {
    program_.add_output(value);
  } else {
    fused_ = false;
  }
}

void ElementwiseStep::add_reader(Node& node, TileValue value) {
  add_output(node, value);
  has_reader_ = true;
}

FailurePtr ElementwiseStep::compute() noexcept {
  bool inputs_are_values = std::all_of(leaves_.begin(), leaves_.end(), [](const Leaf& leaf) {
    return leaf.source.node().outcome.is_value();
  });
  if (fused_ && inputs_are_values) {
    try {
      run_fused();
      return nullptr;
    } catch (...) {
      if (members_.size() == 1 || has_reader_) {
        outputs_[0].data = {};
        return record_failure_of(*outputs_[0].node);
      }
      // See Note [Fusion and failures].
    }
  }
  try {
    run_one_by_one();
    return nullptr;
  } catch (...) {
    return record_failure_of(*outputs_[0].node);
  }
}

void ElementwiseStep::run_fused() {
  Backend& backend = Runtime::instance().stream(stream_).backend;
  std::array<Source, kMaxTileInputs> sources;
  for (size_t i = 0; i < leaves_.size(); ++i) {
    const array& source = leaves_[i].source;
    sources[i] = {&source.shape(), &source.node().output(source.index()).data};
  }
  Operands operands(shape_, {sources.data(), leaves_.size()}, backend);

  // Outputs first take over the memory of inputs that die with this step: their only owners are the
  // members' inputs and this step's leaf.
  std::array<bool, kMaxTileInputs> taken{};
  auto donor = [&](int itemsize) -> const ArrayData* {
    // A reader may fail when the program has written, and a retry reads the inputs again.
    if (!may_donate || has_reader_) return nullptr;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      const Leaf& leaf = leaves_[i];
      const ArrayData& data = *sources[i].data;
      if (taken[i] || !operands.is_dense(i) || leaf.source.dtype().size() != itemsize) continue;
      if (leaf.source.node().owners.load(std::memory_order_acquire) != leaf.n_uses + 1) continue;
      if (data.buffer.use_count() != 1) continue;
      taken[i] = true;
      return &data;
    }
    return nullptr;
  };

  const Strides strides = operands.layout(shape_);
  auto allocate = [&](Dtype dtype) {
    if (const ArrayData* donated = donor(dtype.size())) {
      return dense_data(donated->buffer, donated->offset, shape_, strides);
    }
    const size_t nbytes = checked_nbytes(shape_, dtype);
    return dense_data(backend.allocate(nbytes), 0, shape_, strides);
  };
  std::array<void*, kMaxTileOutputs> pointers;
  auto launch = [&](size_t n_outputs) {
    backend.launch(program_, shape_, operands.span(), {pointers.data(), n_outputs},
                   operands.output_strides());
  };

  if (has_reader_) {
    Output& output = outputs_[0];
    const Node& reader = *output.node;
    output.data = allocate_row_major(reader.first_output, stream_);
    const Op& op = reader.op;
    const View result = view_of(reader.first_output, output.data);
    if (backend.launch_fused(op.op_class(), op.params(), program_, shape_, operands.span(), strides,
                             result)) {
      return;
    }
    const NodeOutput& read = reader.inputs[0].node().first_output;
    const ArrayData data = allocate(read.dtype);
    pointers[0] = data.buffer.data() + data.offset;
    launch(1);
    const View stored = view_of(read, data);
    return backend.launch(op.op_class(), op.params(), {&stored, 1}, {&result, 1});
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    ArrayData& data = outputs_[i].data;
    data = allocate(outputs_[i].node->first_output.dtype);
    pointers[i] = data.buffer.data() + data.offset;
  }
  launch(outputs_.size());
}

void ElementwiseStep::run_one_by_one() {
  Backend& backend = Runtime::instance().stream(stream_).backend;
  struct Result {
    ArrayData data;
    FailurePtr failure;
  };
  std::vector<Result> results(members_.size());
  auto index_of = [&](const Node& node) {
    return std::find_if(members_.begin(), members_.end(),
                        [&](const Member& member) { return member.node == &node; }) -
           members_.begin();
  };

  for (size_t m = 0; m < members_.size(); ++m) {
    Node& node = *members_[m].node;
    Result& result = results[m];
    TileProgram program;
    std::array<Source, 3> sources;
    TileValue values[3];
    for (size_t i = 0; i < node.inputs.size() && !result.failure; ++i) {
      const array& input = node.inputs[i];
      size_t member = size_t(index_of(input.node()));
      bool is_member = member < members_.size();
      result.failure = is_member ? results[member].failure : input.node().outcome.last_failure();
      sources[i] = {&input.shape(),
                    is_member ? &results[member].data : &input.node().output(input.index()).data};
      values[i] = program.add_input(input.dtype().val());
    }
    if (result.failure || has_reader_) continue;  // a reader has its failure from one of them
    try {
      program.add_output(program.add_instr(instr_of(node, values)));
      Operands operands(shape_, {sources.data(), node.inputs.size()}, backend);
      const size_t nbytes = checked_nbytes(shape_, node.first_output.dtype);
      result.data = dense_data(backend.allocate(nbytes), 0, shape_, operands.layout(shape_));
      void* to = result.data.buffer.data();
      backend.launch(program, shape_, operands.span(), {&to, 1}, operands.output_strides());
    } catch (...) {
      result.failure = record_failure_of(node);
    }
  }

  for (Output& output : outputs_) {
    const Node& member = has_reader_ ? output.node->inputs[0].node() : *output.node;
    Result& result = results[size_t(index_of(member))];
    output.data = result.data;
    output.failure = result.failure;
  }
}

void ElementwiseStep::settle_value(Announcement& announcement) noexcept {
  // Leaves go before the values are published: whoever waits finds their memory free.
  leaves_.clear();
  for (Output& output : outputs_) {
    if (output.failure) {
      settle_with_failure(*output.node, output.failure, announcement);
    } else {
      settle_with_value(*output.node, &output.data, announcement);
    }
  }
}

}  // namespace tarn
