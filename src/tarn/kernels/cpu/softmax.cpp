#include "tarn/kernels/cpu/softmax.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tarn/base/ceil_div.h"
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
// As many at once: pieces of rows are read the faster the longer they are. Down to kFewestAtOnce if
// that leaves too little to share out.
constexpr int64_t kMostAtOnce = kBlock;
constexpr int64_t kFewestAtOnce = 256;
// Rows whose exponentials are added up before they are added to the sum of the others: few enough
// that they are still close when their largest elements are known.
constexpr int64_t kGroupRows = 16;
// Where there are few columns their rows are shared out, too, in parts.
constexpr int64_t kMinPartRows = 128;
constexpr int64_t kEnoughUnits = 32;

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
  TileKernel multiply;
  ExpRun exp_run;
  AddExpColumns add_exp_columns;
  ScaledExpColumns scaled_exp_columns;
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
                table.elementwise[int(ElementwiseOp::multiply)][dtype],
                table.exp_run[dtype],
                table.add_exp_columns[dtype],
                table.scaled_exp_columns[dtype]};
    narrow_ = table.cast[dtype][int(out.dtype.val())];
    widen_ = table.cast[dtype][int(Dtype::Val::float64)];
    streams_ = !narrow_ && out.nbytes() >= kStreamBytes;
    if (goes_by_columns()) share_out_columns();
  }

  int64_t scratch_bytes() const {
    return n_parts_ > 1 ? n_parts_ * kept_.size * int64_t{sizeof(double) + sizeof(E)} : 0;
  }

  // Requires: `scratch` has scratch_bytes() bytes.
  void run(void* scratch) const {
    if (has_short_rows()) {
      for_each_row([this](BlockReader& reader, Scratch& scratch, int64_t from, int64_t to,
                          int64_t next) { short_row(reader, scratch, from, to, next); });
    } else if (goes_by_columns()) {
      run_columns(static_cast<double*>(scratch));
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
  // Of neighbouring columns: the largest elements so far and the sums of exponentials relative to
  // them. Sums are moved to other maxima in double, since the factors are much the same each time
  // where elements rise steadily, and so are their errors.
  struct ColumnSums {
    alignas(64) E max[kMostAtOnce] = {};
    alignas(64) E other_max[kMostAtOnce] = {};
    alignas(64) E group_sum[kMostAtOnce] = {};
    alignas(64) E row[kMostAtOnce];
    alignas(64) double sum[kMostAtOnce];
    alignas(64) double factor[kMostAtOnce];
    alignas(64) double wide[kMostAtOnce];
  };

  bool is_line() const { return reduced_.shape.size() == 1; }
  bool has_short_rows() const {
    return is_line() && reduced_.inner_stride(1) == 1 && (!narrow_ || reduced_.size <= kScratchRow);
  }
  bool goes_by_columns() const {
    return !has_short_rows() && is_line() && kept_.inner_stride(0) == 1 &&
           kept_.inner_stride(1) == 1 && kept_.inner_dim() >= kFewColumns;
  }

  // By shape and layout, whatever the number of threads: so are the bits of the result.
  void share_out_columns() {
    n_parts_ = std::clamp<int64_t>(reduced_.size / kMinPartRows, 1, kEnoughUnits);
    at_once_ = kMostAtOnce;
    while (at_once_ > kFewestAtOnce && n_column_blocks() * n_parts_ < kEnoughUnits) at_once_ /= 2;
    if (n_column_blocks() >= kEnoughUnits) n_parts_ = 1;
  }
  int64_t n_column_pieces() const { return ceil_div(kept_.inner_dim(), at_once_); }
  int64_t n_column_blocks() const { return kept_.size / kept_.inner_dim() * n_column_pieces(); }

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
    const bool is_staged = n <= kScratchRow && (narrow_ || streams_);
    E* const y = is_staged ? scratch.row : reinterpret_cast<E*>(out_at(to));
    E max = -std::numeric_limits<E>::infinity();
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = std::min(step, n - i);
      kernels_.max(&max, reader.read_run(from + i * stride, stride, count), size_t(count));
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = std::min(step, n - i);
      const void* const x = reader.read_run(from + i * stride, stride, count);
      const void* const ahead = is_in_place && n <= kScratchRow ? in_.as<E>() + next : x;
      sum += kernels_.exp_run(y + i, x, &max, ahead, size_t(count));
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
      sum += kernels_.exp_run(scratch.row, x, &max, x, size_t(n));
    });
    for_each_block([&](int64_t begin, int64_t n, const void* x) {
      kernels_.exp_run(scratch.row, x, &max, x, size_t(n));
      scale(scratch.row, n, sum, scratch);
      if (narrow_) narrow_(scratch.factors, scratch.row, nullptr, nullptr, size_t(n));
      scatter(out_at(to), reduced_.dims(), reduced_.strides[1].data(), begin,
              narrow_ ? scratch.factors : scratch.row, n, int(out_.itemsize()));
    });
  }

  void scale(E* y, int64_t n, double sum, Scratch& scratch) const {
    constexpr int64_t kFactors = kBlock / 4;  // filled in each row, so not too many
    std::fill_n(scratch.factors, std::min(n, kFactors), E(1 / sum));
    for (int64_t i = 0; i < n; i += kFactors) {
      kernels_.multiply(y + i, y + i, scratch.factors, nullptr, size_t(std::min(kFactors, n - i)));
    }
  }

  // Some columns, some of their rows, and where all of them are.
  struct ColumnUnit {
    int64_t first;  // output column
    int64_t n;
    int64_t part;
    int64_t begin_row, end_row;
    int64_t from, to;
  };

  // Calls f(reader, sums, unit) for the units of all columns, of n_parts parts each.
  template <class F>
  void for_each_unit(int64_t n_parts, F f) const {
    const int64_t n_pieces = n_column_pieces();
    const int64_t part_rows = ceil_div(reduced_.size, n_parts);
    const int64_t size = std::min(kept_.inner_dim(), at_once_) * part_rows;
    parallel_ranges(
        n_column_blocks() * n_parts, std::max<int64_t>(1, kElementsPerRange / size),
        [&](RangeQueue& queue) {
          BlockReader reader(in_, kElement);
          ColumnSums sums;
          StridedIndex<2> at(kept_.dims(), {kept_.strides[0].data(), kept_.strides[1].data()});
          for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
            for (int64_t i = range.begin; i < range.end; ++i) {
              const int64_t part = i % n_parts, block = i / n_parts;
              const int64_t column = block % n_pieces * at_once_;
              const int64_t first = block / n_pieces * kept_.inner_dim() + column;
              at.seek(first);
              f(reader, sums,
                ColumnUnit{first, std::min(at_once_, kept_.inner_dim() - column), part,
                           part * part_rows, std::min((part + 1) * part_rows, reduced_.size),
                           at.offset(0), at.offset(1)});
            }
          }
          if (streams_) stream_fence();
        });
  }

  // Every element is read twice: for the sums, and for the results.
  void run_columns(double* scratch) const {
    if (n_parts_ == 1) {
      return for_each_unit(1, [&](BlockReader& reader, ColumnSums& sums, const ColumnUnit& unit) {
        add_rows(reader, sums, unit);
        write_rows(reader, sums, unit);
      });
    }
    double* const all_sums = scratch;
    E* const all_max = reinterpret_cast<E*>(scratch + n_parts_ * kept_.size);
    const auto save = [&](const ColumnSums& sums, const ColumnUnit& unit, int64_t part) {
      std::copy_n(sums.max, unit.n, all_max + part * kept_.size + unit.first);
      std::copy_n(sums.sum, unit.n, all_sums + part * kept_.size + unit.first);
    };
    for_each_unit(n_parts_, [&](BlockReader& reader, ColumnSums& sums, const ColumnUnit& unit) {
      add_rows(reader, sums, unit);
      save(sums, unit, unit.part);
    });
    for_each_unit(1, [&](BlockReader&, ColumnSums& sums, const ColumnUnit& unit) {
      start(sums, unit.n);
      for (int64_t part = 0; part < n_parts_; ++part) {
        const E* const max = all_max + part * kept_.size + unit.first;
        const double* const sum = all_sums + part * kept_.size + unit.first;
        kernels_.pairwise_max(sums.other_max, sums.max, max, nullptr, size_t(unit.n));
        raise_max(sums, unit.n);
        add_relative_to(max, sum, sums, unit.n);
      }
      save(sums, unit, 0);
    });
    for_each_unit(n_parts_, [&](BlockReader& reader, ColumnSums& sums, const ColumnUnit& unit) {
      std::copy_n(all_max + unit.first, unit.n, sums.max);
      std::copy_n(all_sums + unit.first, unit.n, sums.sum);
      write_rows(reader, sums, unit);
    });
  }

  // Not -infinity: its difference to itself is no number.
  void start(ColumnSums& sums, int64_t n) const {
    std::fill_n(sums.max, n, std::numeric_limits<E>::lowest());
    std::fill_n(sums.sum, n, 0.0);
  }

  // Makes other_max, which is nowhere less, the maximum that the sums are relative to.
  void raise_max(ColumnSums& sums, int64_t n) const {
    set_factors(sums, sums.max, sums.other_max, n);
    in_double(ElementwiseOp::multiply, sums.sum, sums.sum, sums.factor, n);
    std::copy_n(sums.other_max, n, sums.max);
  }

  // Adds sums that are relative to `max`, which is nowhere more than that of `sums`.
  void add_relative_to(const E* max, const double* sum, ColumnSums& sums, int64_t n) const {
    set_factors(sums, max, sums.max, n);
    in_double(ElementwiseOp::multiply, sums.wide, sum, sums.factor, n);
    in_double(ElementwiseOp::add, sums.sum, sums.sum, sums.wide, n);
  }

  // factor = exp(from - to)
  void set_factors(ColumnSums& sums, const E* from, const E* to, int64_t n) const {
    in_double(ElementwiseOp::subtract, sums.factor, widened(sums.factor, from, n),
              widened(sums.wide, to, n), n);
    in_double(ElementwiseOp::exp, sums.factor, sums.factor, nullptr, n);
  }

  const double* widened(double* to, const E* from, int64_t n) const {
    if constexpr (std::is_same_v<E, double>) {
      return from;
    } else {
      widen_(to, from, nullptr, nullptr, size_t(n));
      return to;
    }
  }

  static void in_double(ElementwiseOp op, double* to, const double* a, const double* b, int64_t n) {
    kernels().elementwise[int(op)][int(Dtype::Val::float64)](to, a, b, nullptr, size_t(n));
  }

  const void* read_row(BlockReader& reader, const ColumnUnit& unit, int64_t row) const {
    return reader.read_run(unit.from + row * reduced_.inner_stride(0), 1, unit.n);
  }

  // What to fetch while row number `row`, which is at x, is worked on: row number `later`, if the
  // unit has it.
  const void* next_row(const BlockReader& reader, const ColumnUnit& unit, const void* x,
                       int64_t row, int64_t later) const {
    if (later >= unit.end_row || !reader.reads_in_place(1)) return x;
    return static_cast<const E*>(x) + (later - row) * reduced_.inner_stride(0);
  }

  // The sums of the unit's rows.
  void add_rows(BlockReader& reader, ColumnSums& sums, const ColumnUnit& unit) const {
    const size_t n = size_t(unit.n);
    start(sums, unit.n);
    for (int64_t begin = unit.begin_row; begin < unit.end_row; begin += kGroupRows) {
      const int64_t end = std::min(begin + kGroupRows, unit.end_row);
      std::copy_n(sums.max, n, sums.other_max);
      for (int64_t i = begin; i < end; ++i) {
        const void* const x = read_row(reader, unit, i);
        kernels_.pairwise_max(sums.other_max, sums.other_max, x, nullptr, n);
      }
      raise_max(sums, unit.n);
      std::fill_n(sums.group_sum, n, E(0));
      for (int64_t i = begin; i < end; ++i) {
        const void* const x = read_row(reader, unit, i);
        // Of the next group: looking for its maxima takes too little time to hide that of memory.
        const void* const next = next_row(reader, unit, x, i, i + kGroupRows);
        kernels_.add_exp_columns(sums.group_sum, x, sums.max, next, n);
      }
      in_double(ElementwiseOp::add, sums.sum, sums.sum, widened(sums.wide, sums.group_sum, unit.n),
                unit.n);
    }
  }

  void write_rows(BlockReader& reader, ColumnSums& sums, const ColumnUnit& unit) const {
    const size_t n = size_t(unit.n);
    E* const factors = sums.other_max;
    for (size_t i = 0; i < n; ++i) factors[i] = E(1 / sums.sum[i]);
    for (int64_t i = unit.begin_row; i < unit.end_row; ++i) {
      const void* const x = read_row(reader, unit, i);
      char* const to = out_at(unit.to + i * reduced_.inner_stride(1));
      void* const y = narrow_ ? static_cast<void*>(sums.row) : to;
      const bool streams = streams_ && is_stream_aligned(to);
      const void* const next = next_row(reader, unit, x, i, i + 1);
      kernels_.scaled_exp_columns(y, x, sums.max, factors, next, n, streams);
      if (narrow_) narrow_(to, y, nullptr, nullptr, n);
    }
  }

  // Writes n results to adjacent elements of the output.
  void write(char* to, E* y, int64_t n) const {
    if (narrow_) {
      narrow_(to, y, nullptr, nullptr, size_t(n));
    } else if (streams_) {
      stream_copy(to, y, size_t(n) * sizeof(E), nullptr);
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
  TileKernel widen_;   // to double; null if E is
  bool streams_;
  int64_t at_once_ = 0;  // columns
  int64_t n_parts_ = 1;  // of rows, where columns are walked through
};

}  // namespace

int64_t softmax_scratch_bytes(const View& in, std::span<const int> axes, const View& out) {
  if (in.size < kFewColumns * 2 * kMinPartRows) return 0;  // too little to share out
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
