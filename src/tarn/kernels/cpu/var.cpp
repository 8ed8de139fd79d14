#include "tarn/kernels/cpu/var.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/moment_kernels.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/strided_index.h"

TARN_DECLARE_ISA_FUNCTION(add_moment_kernels, MomentKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 64 << 10;
// With few outputs, the elements of each are cut into chunks of about this many, whatever the
// number of threads, and the chunks' moments are joined in order.
constexpr int64_t kChunk = 64 << 10;
constexpr int64_t kFewOutputs = 64;
constexpr int64_t kBlock = BlockReader::kBlock;
// Columns that are walked through together, and rows of theirs that stay in the second-level cache
// between the pass for the mean and that for the distances.
constexpr int64_t kColumns = 1024;
constexpr int64_t kColumnRows = 64;

struct Moments {
  double n = 0;
  double mean = 0;
  double m2 = 0;  // the sum of squared distances from the mean

  // Those of n numbers with these sums of their distances from `center`.
  static Moments around(double center, double n, DistanceSums sums) {
    const double mean_distance = sums.distances / n;
    const double m2 = sums.squares - sums.distances * mean_distance;
    return {n, center + mean_distance, m2 < 0 ? 0 : m2};  // a NaN stays
  }

  // Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample
  // variances, 1979.
  void join(const Moments& other) {
    if (n == 0) {
      *this = other;
      return;
    }
    const double total = n + other.n;
    const double distance = other.mean - mean;
    mean += distance * (other.n / total);
    m2 += other.m2 + distance * distance * (n * other.n / total);
    n = total;
  }
};

// E is the type computed in, float or double.
template <class E>
class Variance {
 public:
  Variance(const View& in, std::span<const int> axes, int ddof, const View& out)
      : in_(in), layout_(split_axes(in, axes)), out_(out) {
    divisor_ = double(std::max<int64_t>(0, layout_.reduced.size - ddof));
    const KernelTable& table = kernels();
    sum_ = table.sum[int(kElement)];
    add_ = table.elementwise[int(ElementwiseOp::add)][int(kElement)];
    sum_distances_ = moment_kernels().sum[int(kElement)];
    add_distances_ = moment_kernels().add_row[int(kElement)];
    narrow_ = table.cast[int(Dtype::Val::float64)][int(out.dtype.val())];
  }

  void run() {
    const int64_t n_outputs = layout_.kept.size;
    const bool by_columns = prefers_columns(layout_);
    const int64_t width = by_columns ? std::min(layout_.kept.inner_dim(), kColumns) : 1;
    const int64_t n_units = by_columns ? count_column_units() : n_outputs;
    chunk_ = n_units < kFewOutputs ? std::max(kColumnRows, kChunk / width) : layout_.reduced.size;
    n_chunks_ = (layout_.reduced.size + chunk_ - 1) / chunk_;
    if (n_chunks_ > 1) chunks_ = std::make_unique<Moments[]>(size_t(n_chunks_ * n_outputs));
    const int64_t per_unit = width * std::min(chunk_, layout_.reduced.size);
    parallel_ranges(
        n_units * n_chunks_, std::max<int64_t>(1, kElementsPerRange / per_unit),
        [&](RangeQueue& queue) { by_columns ? drain_columns(queue) : drain_rows(queue); });
    for (int64_t i = 0; n_chunks_ > 1 && i < n_outputs; ++i) {
      for (int64_t chunk = 1; chunk < n_chunks_; ++chunk) {
        chunks_[i].join(chunks_[chunk * n_outputs + i]);
      }
      finish(i, 1, &chunks_[i]);
    }
  }

 private:
  static constexpr Dtype::Val kElement = dtype_of<E>.val();

  struct ColumnScratch {
    alignas(64) E centers[kColumns];
    alignas(64) E distances[kColumns];
    alignas(64) E squares[kColumns];
    Moments moments[kColumns];
  };

  int64_t count_column_units() const {
    const int64_t width = layout_.kept.inner_dim();
    return layout_.kept.size / width * ((width + kColumns - 1) / kColumns);
  }

  // Takes the moments of n outputs, from number `first` on, for one chunk.
  void deliver(int64_t chunk, int64_t first, int64_t n, const Moments* moments) const {
    if (n_chunks_ == 1) return finish(first, n, moments);
    std::copy_n(moments, n, chunks_.get() + chunk * layout_.kept.size + first);
  }

  void finish(int64_t first, int64_t n, const Moments* moments) const {
    for (int64_t i = 0; i < n; ++i) {
      const double variance = moments[i].m2 / divisor_;
      void* const to = out_.as<char>() + (first + i) * out_.itemsize();
      if (narrow_) {
        narrow_(to, &variance, nullptr, nullptr, 1);
      } else {
        *static_cast<double*>(to) = variance;
      }
    }
  }

  void drain_rows(RangeQueue& queue) const {
    BlockReader reader(in_, kElement);
    StridedIndex<1> output(layout_.kept.dims(), {layout_.kept.strides.data()});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      output.seek(range.begin / n_chunks_);
      for (int64_t unit = range.begin; unit < range.end; ++unit) {
        const int64_t chunk = unit % n_chunks_;
        const int64_t end = std::min((chunk + 1) * chunk_, layout_.reduced.size);
        Moments moments;
        for (int64_t i = chunk * chunk_; i < end; i += kBlock) {
          const int64_t n = std::min(kBlock, end - i);
          moments.join(moments_of(reader.read(layout_.reduced, output.offset(0), i, n), n));
        }
        deliver(chunk, unit / n_chunks_, 1, &moments);
        if (chunk + 1 == n_chunks_) output.next();
      }
    }
  }

  Moments moments_of(const void* x, int64_t n) const {
    double sum = 0;
    sum_(&sum, x, size_t(n));
    const E center = E(sum / double(n));
    return Moments::around(center, double(n), sum_distances_(x, &center, size_t(n)));
  }

  // Units are numbered along the columns first, so that neighbours read the same rows.
  void drain_columns(RangeQueue& queue) const {
    BlockReader reader(in_, kElement);
    const auto scratch = std::make_unique_for_overwrite<ColumnScratch>();
    const int64_t width = layout_.kept.inner_dim();
    const int64_t n_pieces = (width + kColumns - 1) / kColumns;
    StridedIndex<1> output(layout_.kept.dims(), {layout_.kept.strides.data()});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t unit = range.begin; unit < range.end; ++unit) {
        const int64_t column = unit % n_pieces * kColumns;
        const int64_t chunk = unit / n_pieces % n_chunks_;
        const int64_t first = unit / n_pieces / n_chunks_ * width + column;
        const int64_t n = std::min(kColumns, width - column);
        output.seek(first);
        std::fill_n(scratch->moments, n, Moments{});
        const int64_t end = std::min((chunk + 1) * chunk_, layout_.reduced.size);
        for (int64_t row = chunk * chunk_; row < end; row += kColumnRows) {
          join_rows(reader, *scratch, output.offset(0), n, row, std::min(row + kColumnRows, end));
        }
        deliver(chunk, first, n, scratch->moments);
      }
    }
  }

  // Joins the moments of n columns with those of their rows from begin to end.
  void join_rows(BlockReader& reader, ColumnScratch& scratch, int64_t offset, int64_t n,
                 int64_t begin, int64_t end) const {
    const auto for_each_row = [&](auto f) {
      StridedIndex<1> row(layout_.reduced.dims(), {layout_.reduced.strides.data()});
      row.seek(begin);
      for (int64_t i = begin; i < end; ++i, row.next()) {
        f(reader.read_run(offset + row.offset(0), layout_.kept.inner_stride(), n));
      }
    };
    const size_t count = size_t(n);
    std::fill_n(scratch.centers, n, E(0));
    for_each_row([&](const void* x) { add_(scratch.centers, scratch.centers, x, nullptr, count); });
    for (int64_t i = 0; i < n; ++i) scratch.centers[i] /= E(end - begin);
    std::fill_n(scratch.distances, n, E(0));
    std::fill_n(scratch.squares, n, E(0));
    for_each_row([&](const void* x) {
      add_distances_(scratch.distances, scratch.squares, x, scratch.centers, count);
    });
    for (int64_t i = 0; i < n; ++i) {
      scratch.moments[i].join(Moments::around(scratch.centers[i], double(end - begin),
                                              {scratch.distances[i], scratch.squares[i]}));
    }
  }

  const View& in_;
  const ReduceLayout layout_;
  const View& out_;
  double divisor_;
  int64_t chunk_ = 0;  // elements of one output
  int64_t n_chunks_ = 0;
  std::unique_ptr<Moments[]> chunks_;  // of all outputs for each chunk
  RunReducer sum_;
  TileKernel add_;
  DistanceSummer sum_distances_;
  DistanceAdder add_distances_;
  TileKernel narrow_;  // from double to the output's dtype; null if that is double
};

}  // namespace

const MomentKernels& moment_kernels() {
  static const MomentKernels chosen = [] {
    MomentKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_moment_kernels, made);
    return made;
  }();
  return chosen;
}

void var(const View& in, std::span<const int> axes, int ddof, const View& out) {
  if (out.size == 0) return;
  if (in.size == 0) {
    visit(out.dtype, [&]<class T>(type_tag<T>) {
      if constexpr (!std::is_integral_v<T> && !is_complex<T>) {
        std::fill_n(out.as<T>(), out.size, T(std::numeric_limits<float>::quiet_NaN()));
      }
    });
  } else if (in.dtype == float64) {
    Variance<double>(in, axes, ddof, out).run();
  } else {
    Variance<float>(in, axes, ddof, out).run();
  }
}

}  // namespace tarn::cpu
