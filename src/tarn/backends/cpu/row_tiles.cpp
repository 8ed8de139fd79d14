#include <algorithm>
#include <cstdlib>

#include "tarn/backends/cpu/tile_frame.h"
#include "tarn/backends/cpu/tile_loops.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

using Form = StridedOperand::Form;

// Rows long enough that a kernel's call does not count; with a transposed input, shorter ones still
// beat gathering it element by element.
constexpr int64_t kLongRow = 256;
constexpr int64_t kLongPanelRow = 32;
constexpr int64_t kFewPanelRows = 8;
// Elements that a thread takes from the queue at once, about.
constexpr int64_t kElementsPerRange = 32 << 10;

constexpr int kNoAxis = -1;

// The dimension along which an input that is not contiguous in the last one is contiguous.
int panel_axis_of(const Strides& strides) {
  const int inner = int(strides.size()) - 1;
  if (std::abs(strides[inner]) <= 1) return kNoAxis;
  for (int axis = inner - 1; axis >= 0; --axis) {
    if (strides[axis] == 1) return axis;
  }
  return kNoAxis;
}

// The dimension that panels are cut from, one for all inputs: the longest wins.
int choose_panel_axis(const TileWork& work) {
  int chosen = kNoAxis;
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    if (work.inputs[i].form != Form::strided) continue;
    const int axis = panel_axis_of(work.strides[i]);
    if (axis != kNoAxis && (chosen == kNoAxis || work.shape[axis] > work.shape[chosen])) {
      chosen = axis;
    }
  }
  return chosen != kNoAxis && work.shape[chosen] >= kFewPanelRows ? chosen : kNoAxis;
}

class RowRun {
 public:
  explicit RowRun(const TileWork& work)
      : work_(work),
        inner_(int(work.shape.size()) - 1),
        panel_axis_(choose_panel_axis(work)),
        dense_strides_(row_major_strides(work.shape)) {
    classify_inputs();
    plan_ = plan_tiles(work.program, work.inputs, work.outputs, gathered_, work.stream);
    cut();
  }

  void run() const {
    const int64_t elements = rows_per_block_ * columns_;
    parallel_ranges(n_blocks_, std::max<int64_t>(1, kElementsPerRange / elements),
                    [this](RangeQueue& queue) { drain(queue); });
  }

 private:
  enum class Access : uint8_t { in_place, filled, gathered_row, panel, constant };

  void classify_inputs() {
    int64_t panel_rows = 1;
    int64_t panel_item_sizes = 0;
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      access_[i] = classify(i);
      if (access_[i] == Access::panel) {
        panel_rows = std::max(panel_rows, kLine / input_item_size(i));
        panel_item_sizes += input_item_size(i);
      } else if (access_[i] != Access::in_place) {
        gathered_ |= 1u << i;
      }
    }
    while (panel_rows * panel_item_sizes > kMostPanelBytes) panel_rows /= 2;
    if (panel_axis_ != kNoAxis)
      rows_per_block_ = std::min<int64_t>(panel_rows, work_.shape[panel_axis_]);
  }

  Access classify(size_t i) const {
    if (work_.inputs[i].form == Form::dense) return Access::in_place;
    if (work_.inputs[i].form == Form::scalar) return Access::constant;
    const Strides& strides = work_.strides[i];
    if (strides[inner_] == 1) return Access::in_place;
    if (strides[inner_] == 0) return Access::filled;
    return panel_axis_ != kNoAxis && strides[panel_axis_] == 1 ? Access::panel
                                                               : Access::gathered_row;
  }

  // Blocks are rows_per_block_ rows along the panel axis by columns_ elements of each.
  void cut() {
    int64_t in_place = 0, panels = 0;
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      if (access_[i] == Access::in_place) in_place += input_item_size(i);
      if (access_[i] == Access::panel) panels += rows_per_block_ * input_item_size(i);
    }
    const int64_t row = work_.shape[inner_];
    const int64_t largest = tile_elements(plan_, in_place, panels);
    const int64_t pieces = (row + largest - 1) / largest;
    columns_ = std::min(row, ((row + pieces - 1) / pieces + 63) / 64 * 64);
    n_pieces_ = (row + columns_ - 1) / columns_;
    n_blocks_ = n_pieces_;
    for (int axis = 0; axis < inner_; ++axis) n_blocks_ *= blocks_along(axis);
  }

  int64_t blocks_along(int axis) const {
    const int64_t dim = work_.shape[axis];
    return axis == panel_axis_ ? (dim + rows_per_block_ - 1) / rows_per_block_ : dim;
  }

  struct Block {
    int64_t rows;
    int64_t columns;
    const int64_t* index;  // of its first element, in work_.shape
  };

  void drain(RangeQueue& queue) const {
    TileScratch scratch;
    TileFrame frame(plan_, scratch.bytes, columns_);
    std::byte* panels = scratch.bytes + size_t(plan_.n_slots) * plan_.slot_item_size * columns_;
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      if (access_[i] == Access::constant) {
        fill(frame.at[i], work_.inputs[i].data, columns_, input_item_size(i));
      }
    }
    Strides index(work_.shape.size());
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t i = range.begin; i < range.end; ++i) run_block(frame, panels, decode(i, index));
    }
    if (plan_.stream) stream_fence();
  }

  // Blocks are numbered along the panel axis first: neighbours there share the pages of their
  // panels.
  Block decode(int64_t number, Strides& index) const {
    const auto take = [&](int64_t count) {
      const int64_t digit = number % count;
      number /= count;
      return digit;
    };
    if (panel_axis_ != kNoAxis) {
      index[panel_axis_] = take(blocks_along(panel_axis_)) * rows_per_block_;
    }
    index[inner_] = take(n_pieces_) * columns_;
    for (int axis = inner_ - 1; axis >= 0; --axis) {
      if (axis != panel_axis_) index[axis] = take(work_.shape[axis]);
    }
    const int64_t rows =
        panel_axis_ == kNoAxis
            ? 1
            : std::min(rows_per_block_, work_.shape[panel_axis_] - index[panel_axis_]);
    return {rows, std::min(columns_, work_.shape[inner_] - index[inner_]), index.data()};
  }

  // For elements of any size. TileScratch has room for what that skips.
  static std::byte* aligned(std::byte* panel) {
    const auto misaligned = reinterpret_cast<uintptr_t>(panel) % sizeof(uint64_t);
    return misaligned == 0 ? panel : panel + (sizeof(uint64_t) - misaligned);
  }

  void run_block(TileFrame& frame, std::byte* panels, const Block& block) const {
    const int n_inputs = int(work_.inputs.size());
    const int n_outputs = int(work_.outputs.size());
    char* input_rows[kMaxTileInputs];
    char* output_rows[kMaxTileOutputs];
    for (int i = 0; i < n_inputs; ++i) {
      input_rows[i] =
          element(work_.inputs[i].data, input_strides(i), block.index, input_item_size(i));
      if (access_[i] == Access::panel) {
        panels = aligned(panels);
        gather_transposed(panels, panel_stride(i, block), input_rows[i], input_strides(i)[inner_],
                          block.rows, block.columns, input_item_size(i));
        input_rows[i] = reinterpret_cast<char*>(panels);
        panels += block.rows * panel_stride(i, block) * input_item_size(i);
      }
    }
    for (int i = 0; i < n_outputs; ++i) {
      output_rows[i] = element(work_.outputs[i], dense_strides_, block.index, output_item_size(i));
    }
    for (int64_t row = 0; row < block.rows; ++row) {
      for (int i = 0; i < n_inputs; ++i) {
        load_row(frame, i, input_rows[i], block.columns);
        input_rows[i] += row_step(i, block) * input_item_size(i);
      }
      for (int i = 0; i < n_outputs; ++i) {
        frame.set_output(plan_, i, output_rows[i]);
        if (panel_axis_ != kNoAxis) {
          output_rows[i] += dense_strides_[panel_axis_] * output_item_size(i);
        }
      }
      plan_.run(frame.at, frame.at_output, size_t(block.columns), 0);
    }
  }

  void load_row(TileFrame& frame, int i, char* row, int64_t n) const {
    switch (access_[i]) {
      case Access::in_place:
      case Access::panel:
        frame.at[i] = row;
        break;
      case Access::filled:
        fill(frame.at[i], row, n, input_item_size(i));
        break;
      case Access::gathered_row:
        gather_run(frame.at[i], row, input_strides(i)[inner_], n, input_item_size(i));
        break;
      case Access::constant:
        break;
    }
  }

  // Rows whose distance is a power of two would push each other out of the cache.
  int64_t panel_stride(int i, const Block& block) const {
    return block.columns + kLine / input_item_size(i);
  }

  // Elements from a row of a block to the next.
  int64_t row_step(int i, const Block& block) const {
    if (access_[i] == Access::panel) return panel_stride(i, block);
    if (access_[i] == Access::constant || panel_axis_ == kNoAxis) return 0;
    return input_strides(i)[panel_axis_];
  }

  const Strides& input_strides(int i) const { return work_.strides[i]; }

  char* element(const void* data, const Strides& strides, const int64_t* index,
                int item_size) const {
    int64_t offset = 0;
    for (int axis = 0; axis <= inner_; ++axis) offset += index[axis] * strides[axis];
    return const_cast<char*>(static_cast<const char*>(data)) + offset * item_size;
  }

  int input_item_size(size_t i) const { return size_of_dtype(work_.program.input_dtype(int(i))); }
  int output_item_size(size_t i) const {
    return size_of_dtype(work_.program.dtype_of_value(work_.program.output(int(i))));
  }

  const TileWork& work_;
  const int inner_;
  const int panel_axis_;
  const Strides dense_strides_;
  Access access_[kMaxTileInputs];
  uint32_t gathered_ = 0;
  TilePlan plan_;
  int64_t rows_per_block_ = 1;
  int64_t columns_ = 0;
  int64_t n_pieces_ = 0;
  int64_t n_blocks_ = 0;
};

}  // namespace

bool prefers_rows(const TileWork& work) {
  const int64_t row = work.shape[work.shape.size() - 1];
  return row >= kLongRow || (row >= kLongPanelRow && choose_panel_axis(work) != kNoAxis);
}

void run_rows(const TileWork& work) { RowRun(work).run(); }

}  // namespace tarn::cpu
