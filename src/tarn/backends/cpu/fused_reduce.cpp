#include "tarn/backends/cpu/fused_reduce.h"

#include <algorithm>
#include <optional>

#include "tarn/backends/cpu/flat_tiles.h"
#include "tarn/backends/cpu/tile_executor.h"
#include "tarn/kernels/cpu/reduce.h"
#include "tarn/kernels/cpu/reduce_loops.h"

namespace tarn::cpu {

namespace {

// Values that are cheaper to put into memory of this size first than to plan tiles for.
constexpr int64_t kSmallBytes = 16 << 10;
// A repeated element can stand for more than could ever be computed: that is refused for its
// memory.
constexpr int64_t kMostElements = int64_t{1} << 40;

// How a reduction reads the elements.
struct Reads {
  int64_t size;         // of all
  int64_t row;          // elements that follow each other and belong together
  int64_t n_adjoining;  // rows that follow each other in memory and are read one after the other
  bool by_columns;      // row by row, a piece of each
};

// Computes what a thread reads.
class ProgramReader {
 public:
  ProgramReader(const FlatTiles& tiles, const Reads& reads, int item_size)
      : tiles_(tiles), reads_(reads), item_size_(item_size), frame_(tiles.frame(scratch_)) {}
  ProgramReader(const ProgramReader&) = delete;
  ProgramReader& operator=(const ProgramReader&) = delete;

  bool reads_in_place(int64_t) const { return false; }

  // As those of BlockReader. Requires: the elements are neighbours.
  const void* read_run(int64_t begin, int64_t, int64_t n) {
    if (begin < begin_ || begin + n > end_) compute(begin, n);
    return block_ + (begin - begin_) * item_size_;
  }
  const void* read(const Walk&, int64_t offset, int64_t begin, int64_t n) {
    return read_run(offset + begin, 1, n);
  }

 private:
  // Of short rows, some of those that come next, too. What comes after them is fetched meanwhile.
  void compute(int64_t begin, int64_t n) {
    const bool is_row = n == reads_.row;
    const int64_t rows =
        is_row ? std::clamp<int64_t>(BlockReader::kBlock / n, 1, reads_.n_adjoining) : 1;
    begin_ = begin;
    end_ = std::min(begin + rows * n, reads_.size);
    const bool is_followed = !reads_.by_columns || is_row;
    if (!is_followed) {
      tiles_.fetch(begin + reads_.row, end_ - begin_);
    } else if (!tiles_.fetches_next()) {
      tiles_.fetch(end_, end_ - begin_);
    }
    for (int64_t i = begin_; i < end_; i += tiles_.tile()) {
      void* const to = block_ + (i - begin_) * item_size_;
      const int64_t n_of_tile = std::min(tiles_.tile(), end_ - i);
      tiles_.run(frame_, &to, i, n_of_tile, !is_followed || i + 2 * n_of_tile > reads_.size);
    }
  }

  const FlatTiles& tiles_;
  const Reads reads_;
  const int item_size_;
  int64_t begin_ = 0;  // of what is in block_
  int64_t end_ = 0;
  TileScratch scratch_;
  TileFrame frame_;
  alignas(64) std::byte block_[BlockReader::kBlock * 8];
};

struct ProgramSource {
  using Reader = ProgramReader;
  // Computing an element takes longer than reading it.
  static constexpr int64_t kElementsPerRange = 16 << 10;

  Reader reader(Dtype::Val element) const {
    return ProgramReader(tiles, reads, size_of_dtype(element));
  }
  bool reads_in_place(Dtype::Val, int64_t) const { return false; }

  const FlatTiles& tiles;
  Reads reads;
};

// Nothing, if elements that belong together do not follow each other.
std::optional<Reads> reads_of(const ReduceLayout& layout, int64_t size) {
  const Walk &kept = layout.kept, &reduced = layout.reduced;
  const auto adjoining = [](const Walk& rows, int64_t row) {
    return rows.inner_stride() == row ? rows.inner_dim() : 1;
  };
  if (prefers_columns(layout)) {
    if (kept.inner_stride() != 1) return std::nullopt;
    return Reads{size, kept.inner_dim(), adjoining(reduced, kept.inner_dim()), true};
  }
  if (reduced.shape.size() != 1 || reduced.inner_stride() != 1) return std::nullopt;
  return Reads{size, reduced.size, adjoining(kept, reduced.size), false};
}

// Whether all that is not dense is about as fast to gather: rows, and elements that are repeated.
bool gathers_fast(const TileWork& work) {
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    if (work.inputs[i].form != StridedOperand::Form::strided) continue;
    const int64_t stride = work.strides[i][work.strides[i].size() - 1];
    if (stride != 0 && stride != 1) return false;
  }
  return true;
}

}  // namespace

bool reduce_program(const ops::Reduce& op, TileProgram program, const Shape& shape,
                    std::span<const StridedOperand> inputs, const Strides& strides, const View& out,
                    const AllocateScratch& allocate) {
  const Dtype dtype = kAllDtypes[int(program.dtype_of_value(program.output(0)))];
  const std::span<const int32_t> dims(shape.data(), shape.size());
  alignas(64) std::byte small[kSmallBytes];
  void* place = small;
  const View in{place, shape.data(),        strides.data(), int(shape.size()),
                dtype, size_of_shape(shape)};
  if (in.size <= kSmallBytes / in.itemsize()) {
    run(program, inputs, {&place, 1}, dims, strides.data());
    reduce(op.op, in, op.axes, out, allocate);
    return true;
  }
  if (in.size > kMostElements || dtype == complex64) return false;
  ReduceLayout layout = split_axes(in, op.axes);
  const std::optional<Reads> reads = reads_of(layout, in.size);
  if (!reads) return false;
  const Reducer reducer(op.op, dtype, out.dtype);
  if (reducer.element != dtype.val()) {
    if (program.n_instrs() == kMaxTileInstrs) return false;
    program.set_output(0, program.add_cast(program.output(0), reducer.element));
  }
  place = nullptr;  // each thread has its own
  StridedOperand operands[kMaxTileInputs];
  TileWork work = collapse(program, inputs, {&place, 1}, dims, strides.data(), operands);
  work.stream = false;
  if (work.shape.size() > kInlineDims || !gathers_fast(work)) return false;
  const FlatTiles tiles(work);
  reduce_elements(reducer, ProgramSource{tiles, *reads}, std::move(layout), out, allocate);
  return true;
}

}  // namespace tarn::cpu
