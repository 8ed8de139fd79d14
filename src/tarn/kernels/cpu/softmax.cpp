#include "tarn/kernels/cpu/softmax.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 32 << 10;
constexpr int64_t kBlock = BlockReader::kBlock;
// Elements of a row whose exponentials wait for their sum in scratch memory, where the output
// cannot hold them.
constexpr int64_t kScratchRow = 8 << 10;
// Columns that are worth walking through row by row.
constexpr int64_t kFewColumns = 16;
// Of these at most so many at once, and fewer if with all of their rows, as they are computed in,
// they fit into the tile; of those that do not fit, exponentials are computed twice.
constexpr int64_t kColumns = 512;
constexpr int64_t kTileBytes = 4 << 20;
constexpr int64_t kFewTileColumns = 32;
// Elements of arrays that are worth asking for one.
constexpr int64_t kMinTiled = 64 << 10;
// Exponentials that are added up before they are added to the sum of the others.
constexpr int64_t kColumnRows = 128;

// One set of dimensions of input and output at once.
struct Axes {
  Shape shape;
  Strides strides[2];  // of the input, of the output
  int64_t size = 1;

  void add(const View& in, const View& out, int axis) {
    shape.push_back(in.shape[axis]);
    strides[0].push_back(in.strides[axis]);
    strides[1].push_back(out.strides[axis]);
    size *= in.shape[axis];
  }

  void collapse() {
    collapse_dims(shape, strides);
    if (shape.size() > 0) return;
    shape.push_back(1);
    for (Strides& s : strides) s.push_back(1);
  }

  std::span<const int32_t> dims() const { return {shape.data(), shape.size()}; }
  int64_t inner_dim() const { return shape[shape.size() - 1]; }
  int64_t inner_stride(int operand) const { return strides[operand][strides[operand].size() - 1]; }
};

struct Kernels {
  RunReducer max;
  TileKernel pairwise_max;
  TileKernel add;
  TileKernel multiply;
  ExpRun exp_run;
  ExpColumns exp_columns;
};

// E is the type computed in, float or double.
template <class E>
class Softmax {
 public:
  Softmax(const View& in, std::span<const int> axes, const View& out) : in_(in), out_(out) {
    for (int axis = 0; axis < in.ndim; ++axis) {
      const bool is_reduced = std::find(axes.begin(), axes.end(), axis) != axes.end();
      (is_reduced ? reduced_ : kept_).add(in, out, axis);
    }
    kept_.collapse();
    reduced_.collapse();
    const KernelTable& table = kernels();
    const int dtype = int(kElement);
    kernels_ = {table.max[dtype],
                table.elementwise[int(ElementwiseOp::maximum)][dtype],
                table.elementwise[int(ElementwiseOp::add)][dtype],
                table.elementwise[int(ElementwiseOp::multiply)][dtype],
                table.exp_run[dtype],
                table.exp_columns[dtype]};
    narrow_ = table.cast[dtype][int(out.dtype.val())];
    streams_ = narrow_ == nullptr && out.nbytes() >= kStreamBytes;
  }

  int64_t scratch_bytes() const {
    return goes_by_columns() ? LoopScratch::nbytes(tile_bytes(), column_blocks()) : 0;
  }

  // Requires: `scratch` has scratch_bytes() bytes.
  void run(void* scratch) const {
    if (has_short_rows()) {
      for_each_row([this](BlockReader& reader, Scratch& scratch, int64_t from, int64_t to,
                          int64_t next) { short_row(reader, scratch, from, to, next); });
    } else if (goes_by_columns()) {
      for_each_column_block(scratch);
    } else {
      for_each_row([this](BlockReader& reader, Scratch& scratch, int64_t from, int64_t to,
                          int64_t) { any_row(reader, scratch, from, to); });
    }
  }

 private:
  static constexpr Dtype::Val kElement = dtype_of<E>.val();

  struct Scratch {
    alignas(64) E row[kScratchRow];
    alignas(64) E factors[kBlock];
  };
  struct ColumnScratch {
    alignas(64) E max[kColumns];
    alignas(64) E sum[kColumns];
    alignas(64) E part[kColumns];
    alignas(64) E row[kColumns];
    E* tile;  // all rows; null if that is too much
  };

  bool is_line() const { return reduced_.shape.size() == 1; }
  bool has_short_rows() const {
    return is_line() && reduced_.inner_stride(1) == 1 &&
           (narrow_ == nullptr || reduced_.size <= kScratchRow);
  }
  bool goes_by_columns() const {
    return !has_short_rows() && is_line() && kept_.inner_stride(0) == 1 &&
           kept_.inner_stride(1) == 1 && kept_.inner_dim() >= kFewColumns;
  }

  // Columns that are walked through together; whether all their rows fit into a tile.
  int64_t columns() const {
    const int64_t n = std::min(kept_.inner_dim(), kColumns);
    return has_tile() ? std::min(n, kTileBytes / int64_t{sizeof(E)} / reduced_.size) : n;
  }
  int64_t column_pieces() const { return (kept_.inner_dim() + columns() - 1) / columns(); }
  int64_t column_blocks() const { return kept_.size / kept_.inner_dim() * column_pieces(); }
  bool has_tile() const {
    return in_.size >= kMinTiled &&
           reduced_.size <= kTileBytes / int64_t{sizeof(E)} / kFewTileColumns;
  }
  int64_t tile_bytes() const {
    return has_tile() ? (columns() * reduced_.size * int64_t{sizeof(E)} + 63) / 64 * 64 : 0;
  }

  char* out_at(int64_t offset) const { return out_.as<char>() + offset * out_.itemsize(); }

  // Calls f(reader, scratch, where a row of the input is, of the output, where the next row is).
  template <class F>
  void for_each_row(F f) const {
    parallel_ranges(
        kept_.size, std::max<int64_t>(1, kElementsPerRange / reduced_.size),
        [&](RangeQueue& queue) {
          BlockReader reader(in_, kElement);
          Scratch scratch;
          StridedIndex<2> row(kept_.dims(), {kept_.strides[0].data(), kept_.strides[1].data()});
          for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
            row.seek(range.begin);
            for (int64_t i = range.begin; i < range.end; ++i) {
              const int64_t from = row.offset(0), to = row.offset(1);
              row.next();
              f(reader, scratch, from, to, i + 1 < range.end ? row.offset(0) : from);
            }
          }
          if (streams_) stream_fence();
        });
  }

  // The output is contiguous. It holds the exponentials until their sum is known, or a row of
  // scratch memory does.
  void short_row(BlockReader& reader, Scratch& scratch, int64_t from, int64_t to,
                 int64_t next) const {
    const int64_t n = reduced_.size;
    const int64_t stride = reduced_.inner_stride(0);
    const bool is_in_place = reader.reads_in_place(stride);
    const int64_t step = is_in_place ? n : kBlock;
    const bool is_staged = n <= kScratchRow && (narrow_ != nullptr || streams_);
    E* const y = is_staged ? scratch.row : reinterpret_cast<E*>(out_at(to));
    E max = -std::numeric_limits<E>::infinity();
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = std::min(step, n - i);
      kernels_.max(&max, reader.read_run(from + i * stride, stride, count), size_t(count));
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = std::min(step, n - i);
      const void* x = reader.read_run(from + i * stride, stride, count);
      sum += kernels_.exp_run(y + i, x, &max, size_t(count), is_in_place ? in_.as<E>() + next : x);
    }
    scale(y, n, sum, scratch);
    if (is_staged) write(out_at(to), y, n);
  }

  // Any layout and length, at the price of computing the exponentials twice.
  void any_row(BlockReader& reader, Scratch& scratch, int64_t from, int64_t to) const {
    const Walk walk{reduced_.shape, reduced_.strides[0], reduced_.size};
    const auto for_each_block = [&](auto f) {
      for (int64_t i = 0; i < walk.size; i += kBlock) {
        const int64_t n = std::min(kBlock, walk.size - i);
        f(i, n, reader.read(walk, from, i, n));
      }
    };
    E max = -std::numeric_limits<E>::infinity();
    for_each_block([&](int64_t, int64_t n, const void* x) { kernels_.max(&max, x, size_t(n)); });
    double sum = 0;
    for_each_block([&](int64_t, int64_t n, const void* x) {
      sum += kernels_.exp_run(scratch.row, x, &max, size_t(n), x);
    });
    for_each_block([&](int64_t begin, int64_t n, const void* x) {
      kernels_.exp_run(scratch.row, x, &max, size_t(n), x);
      scale(scratch.row, n, sum, scratch);
      if (narrow_ != nullptr) narrow_(scratch.factors, scratch.row, nullptr, nullptr, size_t(n));
      scatter(out_at(to), reduced_.dims(), reduced_.strides[1].data(), begin,
              narrow_ != nullptr ? scratch.factors : scratch.row, n, int(out_.itemsize()));
    });
  }

  void scale(E* y, int64_t n, double sum, Scratch& scratch) const {
    const int64_t n_factors = std::min(n, kBlock);
    std::fill_n(scratch.factors, n_factors, E(1 / sum));
    for (int64_t i = 0; i < n; i += kBlock) {
      kernels_.multiply(y + i, y + i, scratch.factors, nullptr, size_t(std::min(kBlock, n - i)));
    }
  }

  void for_each_column_block(void* tiles) const {
    const int64_t width = kept_.inner_dim();
    const int64_t columns = this->columns();
    const int64_t n_pieces = column_pieces();
    LoopScratch loop_scratch(tiles, tile_bytes());
    parallel_ranges(
        column_blocks(), std::max<int64_t>(1, kElementsPerRange / (columns * reduced_.size)),
        [&](RangeQueue& queue) {
          BlockReader reader(in_, kElement);
          ColumnScratch scratch{};
          if (has_tile()) scratch.tile = reinterpret_cast<E*>(loop_scratch.take());
          StridedIndex<2> first(kept_.dims(), {kept_.strides[0].data(), kept_.strides[1].data()});
          for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
            for (int64_t i = range.begin; i < range.end; ++i) {
              const int64_t column = i % n_pieces * columns;
              first.seek(i / n_pieces * width + column);
              column_block(reader, scratch, first.offset(0), first.offset(1),
                           std::min(columns, width - column));
            }
          }
          if (streams_) stream_fence();
        });
  }

  void column_block(BlockReader& reader, ColumnScratch& scratch, int64_t from, int64_t to,
                    int64_t columns) const {
    const size_t n = size_t(columns);
    E* const tile = scratch.tile;
    const auto read_row = [&](int64_t i) {
      return reader.read_run(from + i * reduced_.inner_stride(0), 1, columns);
    };
    // Not -infinity: its difference to itself is no number.
    std::fill_n(scratch.max, n, std::numeric_limits<E>::lowest());
    for (int64_t i = 0; i < reduced_.size; ++i) {
      const void* const x = read_row(i);
      kernels_.pairwise_max(scratch.max, scratch.max, x, nullptr, n);
      if (tile != nullptr) std::memcpy(tile + i * columns, x, n * sizeof(E));
    }
    std::fill_n(scratch.sum, n, E(0));
    for (int64_t begin = 0; begin < reduced_.size; begin += kColumnRows) {
      std::fill_n(scratch.part, n, E(0));
      for (int64_t i = begin; i < std::min(begin + kColumnRows, reduced_.size); ++i) {
        E* const y = tile != nullptr ? tile + i * columns : scratch.row;
        kernels_.exp_columns(y, tile != nullptr ? y : read_row(i), scratch.max, scratch.part, n);
      }
      kernels_.add(scratch.sum, scratch.sum, scratch.part, nullptr, n);
    }
    for (size_t i = 0; i < n; ++i) scratch.sum[i] = 1 / scratch.sum[i];
    for (int64_t i = 0; i < reduced_.size; ++i) {
      E* const y = tile != nullptr ? tile + i * columns : scratch.row;
      if (tile == nullptr) {
        kernels_.exp_columns(y, read_row(i), scratch.max, scratch.part, n);
      }
      kernels_.multiply(y, y, scratch.sum, nullptr, n);
      write(out_at(to + i * reduced_.inner_stride(1)), y, columns);
    }
  }

  // Writes n results to adjacent elements of the output.
  void write(char* to, E* y, int64_t n) const {
    if (narrow_ != nullptr) {
      narrow_(to, y, nullptr, nullptr, size_t(n));
    } else if (streams_) {
      stream_copy(to, y, size_t(n) * sizeof(E));
    } else {
      std::memcpy(to, y, size_t(n) * sizeof(E));
    }
  }

  const View& in_;
  const View& out_;
  Axes kept_;
  Axes reduced_;
  Kernels kernels_;
  TileKernel narrow_;  // to the output's dtype; null if that is E's
  bool streams_;
};

}  // namespace

int64_t softmax_scratch_bytes(const View& in, std::span<const int> axes, const View& out) {
  if (in.size < kMinTiled) return 0;
  return in.dtype == float64 ? Softmax<double>(in, axes, out).scratch_bytes()
                             : Softmax<float>(in, axes, out).scratch_bytes();
}

void softmax(const View& in, std::span<const int> axes, const View& out, void* scratch) {
  if (in.size == 0) return;
  if (in.dtype == float64) {
    Softmax<double>(in, axes, out).run(scratch);
  } else {
    Softmax<float>(in, axes, out).run(scratch);
  }
}

}  // namespace tarn::cpu
