#include <algorithm>

#include "tarn/backends/cpu/tile_frame.h"
#include "tarn/backends/cpu/tile_loops.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

using Form = StridedOperand::Form;

// Tiles of a range: few enough to spread evenly, many enough that the setup of one does not count.
constexpr int64_t kTilesPerRange = 8;
// Ranges that a thread takes from the queue at once: memory is read faster in long stretches.
constexpr int64_t kRangesAtOnce = 4;

class FlatRun {
 public:
  explicit FlatRun(const TileWork& work)
      : work_(work),
        continued_(dense_inputs(work)),
        plan_(plan_tiles(work.program, work.inputs, work.outputs, all_inputs(work) & ~continued_,
                         work.stream)),
        tile_(tile_elements(plan_, dense_bytes())) {}

  void run() const {
    parallel_ranges(work_.size, tile_ * kTilesPerRange,
                    [this](RangeQueue& queue) { drain(queue); });
  }

 private:
  // As bits.
  static uint32_t all_inputs(const TileWork& work) { return (1u << work.inputs.size()) - 1; }
  static uint32_t dense_inputs(const TileWork& work) {
    uint32_t bits = 0;
    for (size_t i = 0; i < work.inputs.size(); ++i) {
      if (work.inputs[i].form == Form::dense) bits |= 1u << i;
    }
    return bits;
  }

  int64_t dense_bytes() const {
    int64_t bytes = 0;
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      if (work_.inputs[i].form == Form::dense) bytes += input_item_size(i);
    }
    return bytes;
  }

  int input_item_size(size_t i) const { return size_of_dtype(work_.program.input_dtype(int(i))); }
  int output_item_size(size_t i) const {
    return size_of_dtype(work_.program.dtype_of_value(work_.program.output(int(i))));
  }

  void drain(RangeQueue& queue) const {
    TileScratch scratch;
    TileFrame frame(plan_, scratch.bytes, tile_);
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      if (work_.inputs[i].form == Form::scalar) {
        fill(frame.at[i], work_.inputs[i].data, tile_, input_item_size(i));
      }
    }
    const auto next = [&] { return queue.next_of_many(kRangesAtOnce); };
    for (auto range = next(); range.begin < range.end; range = next()) {
      for (int64_t begin = range.begin; begin < range.end; begin += tile_) {
        const int64_t n = std::min(tile_, range.end - begin);
        run_tile(frame, begin, n, begin + n == range.end);
      }
    }
    if (plan_.stream) stream_fence();
  }

  void run_tile(TileFrame& frame, int64_t begin, int64_t n, bool is_last) const {
    for (size_t i = 0; i < work_.inputs.size(); ++i) {
      const StridedOperand& input = work_.inputs[i];
      const int item_size = input_item_size(i);
      if (input.form == Form::dense) {
        frame.at[i] = const_cast<char*>(static_cast<const char*>(input.data)) + begin * item_size;
      } else if (input.form == Form::strided) {
        gather(frame.at[i], input.data, work_.shape, work_.strides[i].data(), begin, n, item_size);
      }
    }
    for (size_t i = 0; i < work_.outputs.size(); ++i) {
      frame.set_output(plan_, int(i),
                       static_cast<char*>(work_.outputs[i]) + begin * output_item_size(i));
    }
    plan_.run(frame.at, frame.at_output, size_t(n), is_last ? 0 : continued_);
  }

  const TileWork& work_;
  const uint32_t continued_;  // inputs that are read in place
  const TilePlan plan_;
  const int64_t tile_;
};

}  // namespace

void run_flat(const TileWork& work) { FlatRun(work).run(); }

}  // namespace tarn::cpu
