#include "tarn/backends/cpu/tile_executor.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>

#include "tarn/backends/cpu/tile_loops.h"
#include "tarn/backends/cpu/tile_plan.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"

namespace tarn::cpu {

namespace {

using Form = StridedOperand::Form;

constexpr int64_t kSmallScratchBytes = 32 << 10;
constexpr int64_t kLargestItem = 8;

// Whether an instruction after the one that computes `value` reads input `input`.
bool is_read_after(const TileProgram& program, TileValue value, TileValue input) {
  for (int i = value - kMaxTileInputs + 1; i < program.n_instrs(); ++i) {
    const TileInstr& instr = program.instr(i);
    if (instr.a == input || instr.b == input || instr.c == input) return true;
  }
  return false;
}

// Whether writing `output` when `value` is computed destroys an input that is still needed.
bool destroys_input(const TileProgram& program, std::span<const StridedOperand> inputs,
                    TileValue value, const void* output) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].data == output && is_read_after(program, value, TileValue(i))) return true;
  }
  return false;
}

// Lengths are padded to this when there are several instructions: a kernel's last, incomplete pack
// takes longer than all else it does to a tiny array. A pack of float has at most as many lanes.
constexpr int64_t kPaddedLength = 16;

// So few elements that one tile holds them all and every value can have a place of its own: there
// is nothing to plan. The time of this is most of the time of evaluating a tiny array.
class SmallRun {
 public:
  // Bytes that each value takes in scratch memory, padded.
  static int64_t slot_bytes(int64_t size) { return (size * kLargestItem + 127) & ~int64_t{127}; }

  static bool fits(const TileProgram& program, int64_t size) {
    const int64_t n_slots = program.n_instrs() + program.n_inputs();
    return size <= kSmallScratchBytes && n_slots * slot_bytes(size) <= kSmallScratchBytes;
  }

  SmallRun(const TileProgram& program, std::span<const StridedOperand> inputs,
           std::span<void* const> outputs, int64_t size)
      : program_(program), inputs_(inputs), outputs_(outputs), size_(size) {
    const bool pads = size % kPaddedLength != 0 && program.n_instrs() > 1;
    length_ = pads ? (size + kPaddedLength - 1) / kPaddedLength * kPaddedLength : size;
  }

  void run() {
    place_inputs();
    slots_ = next_;
    for (int i = 0; i < program_.n_instrs(); ++i) at_[kMaxTileInputs + i] = take_slot();
    place_outputs();
    const KernelTable& table = kernels();
    for (int i = 0; i < program_.n_instrs(); ++i) {
      const TileInstr& instr = program_.instr(i);
      kernel_of(table, instr)(at_[kMaxTileInputs + i], at_[instr.a], at_[instr.b], at_[instr.c],
                              size_t(length_));
    }
    for (int i = 0; i < n_copied_; ++i) copy_output(copied_[i]);
  }

 private:
  std::byte* take_slot() {
    std::byte* const slot = next_;
    next_ += slot_bytes(size_);
    return slot;
  }

  void place_inputs() {
    for (int i = 0; i < program_.n_inputs(); ++i) {
      const void* data = inputs_[i].data;
      const int item_size = size_of_dtype(program_.input_dtype(i));
      if (inputs_[i].form == Form::scalar && length_ != 1) {
        at_[i] = take_slot();
        fill(at_[i], data, length_, item_size);
      } else if (length_ != size_) {
        std::byte* const slot = take_slot();
        std::memcpy(slot, data, size_ * item_size);
        // Any value will do, but one that is there keeps to the common path of its formulas.
        fill(slot + size_ * item_size, data, length_ - size_, item_size);
        at_[i] = slot;
      } else {
        at_[i] = const_cast<void*>(data);
      }
    }
  }

  // Values that can be written to their output where they are computed are; others are copied when
  // all is done.
  void place_outputs() {
    for (int i = 0; i < program_.n_outputs(); ++i) {
      const TileValue value = program_.output(i);
      const bool is_in_slot = value >= kMaxTileInputs && at_[value] >= slots_ && at_[value] < next_;
      if (is_in_slot && length_ == size_ &&
          !destroys_input(program_, inputs_, value, outputs_[i])) {
        at_[value] = outputs_[i];
      } else {
        copied_[n_copied_++] = i;
      }
    }
  }

  void copy_output(int i) const {
    const TileValue value = program_.output(i);
    if (outputs_[i] == at_[value]) return;
    std::memcpy(outputs_[i], at_[value], size_ * size_of_dtype(program_.dtype_of_value(value)));
  }

  const TileProgram& program_;
  const std::span<const StridedOperand> inputs_;
  const std::span<void* const> outputs_;
  const int64_t size_;
  int64_t length_;
  void* at_[kMaxTileValues];
  int copied_[kMaxTileOutputs];
  int n_copied_ = 0;
  std::byte* slots_;
  alignas(64) std::byte scratch_[kSmallScratchBytes];
  std::byte* next_ = scratch_;
};

// At most as much as a few cores can hope to keep: a virtual machine of two was told of the 260 MiB
// that it shares with dozens, where outputs of 64 MiB gain a quarter from bypassing the caches.
int64_t last_level_cache_bytes() {
  static constexpr int64_t kLargestShare = int64_t{32} << 20;
  static const int64_t nbytes = [] {
    const long reported = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
    return reported > 0 ? std::min<int64_t>(reported, kLargestShare) : kLargestShare;
  }();
  return nbytes;
}

// Outputs that do not fit into the caches need not displace what is there, nor be read before they
// are written.
bool prefers_stream(const TileProgram& program, int64_t size) {
  int64_t bytes_per_element = 0;
  for (int i = 0; i < program.n_outputs(); ++i) {
    bytes_per_element += size_of_dtype(program.dtype_of_value(program.output(i)));
  }
  return size * bytes_per_element > last_level_cache_bytes();
}

// The dimensions longer than one, in the order of the outputs' strides, outermost first.
SmallVector<int, kInlineDims> walk_order(std::span<const int32_t> shape,
                                         const int64_t* output_strides) {
  SmallVector<int, kInlineDims> order;
  for (int axis = 0; axis < int(shape.size()); ++axis) {
    if (shape[axis] != 1) order.push_back(axis);
  }
  if (output_strides != nullptr) {
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return output_strides[a] > output_strides[b]; });
  }
  return order;
}

Form form_of(const Strides& strides, const Strides& dense) {
  if (strides == dense) return Form::dense;
  const bool is_scalar =
      std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 0; });
  return is_scalar ? Form::scalar : Form::strided;
}

int64_t size_of_dims(std::span<const int32_t> shape) {
  int64_t size = 1;
  for (int32_t dim : shape) size *= dim;
  return size;
}

bool is_strided(const StridedOperand& input) { return input.form == Form::strided; }

bool moves_only(const TileProgram& program) {
  return program.n_instrs() == 0 && program.n_inputs() == 1 && program.n_outputs() == 1;
}

// Whether elements that follow each other in the last dimension longer than one are adjacent.
bool has_adjacent_rows(const StridedOperand& input, std::span<const int32_t> shape) {
  size_t n = shape.size();
  while (n > 0 && shape[n - 1] == 1) --n;
  return n == 0 || input.strides[n - 1] == 1;
}

// The kernel for copies knows of transpositions and of rows of a few equal elements.
void move_elements(const TileProgram& program, const StridedOperand& input, void* output,
                   std::span<const int32_t> shape, const int64_t* output_strides, int64_t size) {
  const int ndim = int(shape.size());
  const Strides row_major = row_major_strides(Shape(shape.begin(), shape.end()));
  const int64_t* const strides = output_strides != nullptr ? output_strides : row_major.data();
  const Dtype dtype = kAllDtypes[int(program.input_dtype(0))];
  copy({const_cast<void*>(input.data), shape.data(), input.strides, ndim, dtype, size},
       {output, shape.data(), strides, ndim, dtype, size});
}

// Loops over the outermost dimensions until those left fit into the inline storage of Shape: what
// runs on other threads must not allocate.
void run_collapsed(const TileWork& work) {
  if (work.shape.size() <= kInlineDims) {
    prefers_rows(work) ? run_rows(work) : run_flat(work);
    return;
  }
  const int32_t count = work.shape[0];
  StridedOperand inputs[kMaxTileInputs];
  void* outputs[kMaxTileOutputs];
  TileWork part{work.program,
                std::span(inputs, work.inputs.size()),
                std::span(outputs, work.outputs.size()),
                work.size / count,
                work.stream,
                Shape(work.shape.begin() + 1, work.shape.end()),
                {}};
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    part.strides[i] = Strides(work.strides[i].begin() + 1, work.strides[i].end());
  }
  for (int32_t index = 0; index < count; ++index) {
    for (size_t i = 0; i < work.inputs.size(); ++i) {
      const int item_size = size_of_dtype(work.program.input_dtype(int(i)));
      inputs[i] = work.inputs[i];
      inputs[i].data =
          static_cast<const char*>(inputs[i].data) + index * work.strides[i][0] * item_size;
    }
    for (size_t i = 0; i < work.outputs.size(); ++i) {
      const int item_size = size_of_dtype(work.program.dtype_of_value(work.program.output(int(i))));
      outputs[i] = static_cast<char*>(work.outputs[i]) + index * part.size * item_size;
    }
    run_collapsed(part);
  }
}

}  // namespace

TileWork collapse(const TileProgram& program, std::span<const StridedOperand> inputs,
                  std::span<void* const> outputs, std::span<const int32_t> shape,
                  const int64_t* output_strides, StridedOperand* operands) {
  const int64_t size = size_of_dims(shape);
  TileWork work{program, std::span(operands, inputs.size()), outputs,
                size,    prefers_stream(program, size),      {},
                {}};
  const SmallVector<int, kInlineDims> order = walk_order(shape, output_strides);
  for (int axis : order) work.shape.push_back(shape[axis]);
  const Strides dense = row_major_strides(work.shape);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].form == Form::dense) {
      work.strides[i] = dense;
    } else {
      for (int axis : order) {
        work.strides[i].push_back(is_strided(inputs[i]) ? inputs[i].strides[axis] : 0);
      }
    }
  }
  collapse_dims(work.shape, std::span(work.strides, inputs.size()));
  const Strides collapsed = row_major_strides(work.shape);
  for (size_t i = 0; i < inputs.size(); ++i) {
    operands[i] = {inputs[i].data, form_of(work.strides[i], collapsed)};
  }
  return work;
}

void run(const TileProgram& program, std::span<const StridedOperand> inputs,
         std::span<void* const> outputs, int64_t size) {
  if (size == 0) return;
  if (SmallRun::fits(program, size)) {
    SmallRun(program, inputs, outputs, size).run();
  } else {
    run_flat({program, inputs, outputs, size, prefers_stream(program, size), {}, {}});
  }
}

void run(const TileProgram& program, std::span<const StridedOperand> inputs,
         std::span<void* const> outputs, std::span<const int32_t> shape,
         const int64_t* output_strides) {
  const int64_t size = size_of_dims(shape);
  if (size == 0 || std::none_of(inputs.begin(), inputs.end(), is_strided)) {
    return run(program, inputs, outputs, size);
  }
  if (moves_only(program) && !has_adjacent_rows(inputs[0], shape)) {
    return move_elements(program, inputs[0], outputs[0], shape, output_strides, size);
  }
  StridedOperand operands[kMaxTileInputs];
  const TileWork work = collapse(program, inputs, outputs, shape, output_strides, operands);
  if (std::none_of(work.inputs.begin(), work.inputs.end(), is_strided)) {
    run(program, work.inputs, outputs, size);
  } else {
    run_collapsed(work);
  }
}

bool choose_output_strides(std::span<const int32_t> shape, std::span<const StridedOperand> inputs,
                           Strides& output_strides) {
  const int ndim = int(shape.size());
  const auto same_layout = [&](const int64_t* a, const int64_t* b) {
    for (int axis = 0; axis < ndim; ++axis) {
      if (shape[axis] != 1 && a[axis] != b[axis]) return false;
    }
    return true;
  };
  const auto is_scalar = [&](const StridedOperand& input) {
    if (input.form == Form::scalar) return true;
    for (int axis = 0; axis < ndim; ++axis) {
      if (shape[axis] != 1 && input.strides[axis] != 0) return false;
    }
    return true;
  };
  output_strides = row_major_strides(Shape(shape.begin(), shape.end()));
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
  const int64_t* shared = nullptr;
  bool is_shared = true;
  for (const StridedOperand& input : inputs) {
    if (is_scalar(input)) continue;
    if (shared == nullptr) shared = input.strides;
    is_shared = is_shared && same_layout(shared, input.strides);
  }
  if (shared == nullptr || !is_shared) return shared == nullptr;
  // Dense, if each stride is the product of the dimensions with smaller ones.
  SmallVector<int, kInlineDims> order = walk_order(shape, shared);
  int64_t expected = 1;
  for (size_t i = order.size(); i-- > 0;) {
    if (shared[order[i]] != expected) return false;
    expected *= shape[order[i]];
  }
  for (int axis : order) output_strides[axis] = shared[axis];
  return true;
}

}  // namespace tarn::cpu
