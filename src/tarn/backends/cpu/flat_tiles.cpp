#include "tarn/backends/cpu/flat_tiles.h"

#include <algorithm>

#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

using Form = StridedOperand::Form;

// Tiles of a range: few enough to spread evenly, many enough that the setup of one does not count.
constexpr int64_t kTilesPerRange = 8;
// Ranges that a thread takes from the queue at once: memory is read faster in long stretches.
constexpr int64_t kRangesAtOnce = 4;

uint32_t all_inputs(const TileWork& work) { return (1u << work.inputs.size()) - 1; }

uint32_t dense_inputs(const TileWork& work) {
  uint32_t bits = 0;
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    if (work.inputs[i].form == Form::dense) bits |= 1u << i;
  }
  return bits;
}

void drain(RangeQueue& queue, const TileWork& work, const FlatTiles& tiles) {
  TileScratch scratch;
  TileFrame frame = tiles.frame(scratch);
  const auto next = [&] { return queue.next_of_many(kRangesAtOnce); };
  for (auto range = next(); range.begin < range.end; range = next()) {
    for (int64_t begin = range.begin; begin < range.end; begin += tiles.tile()) {
      const int64_t n = std::min(tiles.tile(), range.end - begin);
      void* outputs[kMaxTileOutputs];
      for (size_t i = 0; i < work.outputs.size(); ++i) {
        const TileValue value = work.program.output(int(i));
        const int item_size = size_of_dtype(work.program.dtype_of_value(value));
        outputs[i] = static_cast<char*>(work.outputs[i]) + begin * item_size;
      }
      // Where the caches hold the results, they may hold the inputs.
      tiles.run(frame, outputs, begin, n, begin + n == range.end || !tiles.streams());
    }
  }
  if (tiles.streams()) stream_fence();
}

}  // namespace

FlatTiles::FlatTiles(const TileWork& work)
    : work_(work),
      in_place_(dense_inputs(work)),
      plan_(plan_tiles(work.program, work.inputs, work.outputs, all_inputs(work) & ~in_place_,
                       work.stream)),
      tile_(tile_elements(plan_, in_place_bytes())) {}

int64_t FlatTiles::in_place_bytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < work_.inputs.size(); ++i) {
    if (work_.inputs[i].form == Form::dense) bytes += input_item_size(i);
  }
  return bytes;
}

TileFrame FlatTiles::frame(TileScratch& scratch) const {
  TileFrame frame(plan_, scratch.bytes, tile_);
  for (size_t i = 0; i < work_.inputs.size(); ++i) {
    if (work_.inputs[i].form == Form::scalar) {
      fill(frame.at[i], work_.inputs[i].data, tile_, input_item_size(i));
    }
  }
  return frame;
}

// Where n elements of a strided input from number `begin` on are, null if not side by side.
const void* FlatTiles::part_of_row(size_t input, int64_t begin, int64_t n) const {
  const Strides& strides = work_.strides[input];
  const size_t inner = strides.size() - 1;
  const int64_t row = work_.shape[inner];
  if (strides[inner] != 1 || begin % row + n > row) return nullptr;
  StridedIndex<1> rows(std::span<const int32_t>(work_.shape).first(inner), {strides.data()});
  rows.seek(begin / row);
  return static_cast<const char*>(work_.inputs[input].data) +
         (rows.offset(0) + begin % row) * input_item_size(input);
}

void FlatTiles::run(TileFrame& frame, void* const* outputs, int64_t begin, int64_t n,
                    bool is_last) const {
  for (size_t i = 0; i < work_.inputs.size(); ++i) {
    const StridedOperand& input = work_.inputs[i];
    const int item_size = input_item_size(i);
    if (input.form == Form::dense) {
      frame.at[i] = const_cast<char*>(static_cast<const char*>(input.data)) + begin * item_size;
    } else if (input.form == Form::strided) {
      frame.at[i] = const_cast<void*>(part_of_row(i, begin, n));
      if (frame.at[i] != nullptr) continue;
      frame.at[i] = frame.slot(plan_, int(i));
      gather(frame.at[i], input.data, work_.shape, work_.strides[i].data(), begin, n, item_size);
    }
  }
  for (size_t i = 0; i < work_.outputs.size(); ++i) frame.set_output(plan_, int(i), outputs[i]);
  plan_.run(frame.at, frame.at_output, size_t(n), is_last ? 0 : in_place_);
}

void FlatTiles::fetch(int64_t begin, int64_t n) const {
  const int64_t end = std::min(begin + n, work_.size);
  for (size_t i = 0; i < work_.inputs.size(); ++i) {
    if (work_.inputs[i].form != Form::dense) continue;
    const char* const data = static_cast<const char*>(work_.inputs[i].data);
    const int item_size = input_item_size(i);
    for (int64_t at = begin * item_size; at < end * item_size; at += kLine) {
      __builtin_prefetch(data + at);
    }
  }
}

void run_flat(const TileWork& work) {
  const FlatTiles tiles(work);
  parallel_ranges(work.size, tiles.tile() * kTilesPerRange,
                  [&](RangeQueue& queue) { drain(queue, work, tiles); });
}

}  // namespace tarn::cpu
