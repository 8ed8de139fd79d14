#include "tarn/kernels/cpu/scan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "tarn/base/ceil_div.h"
#include "tarn/base/complex.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/scan_kernels.h"
#include "tarn/math/formulas.h"

TARN_DECLARE_ISA_FUNCTION(add_scan_kernels, ScanKernels)

namespace tarn::cpu {

namespace {

// Note [Chunks of a scan]
// A few long lines are cut into chunks, so that there is work for all threads: first what each
// chunk adds up to, then, from an exclusive scan of these, what precedes it, then the chunks. Where
// the cuts are depends on the shape alone, and so do the bits of the result.
constexpr int64_t kChunk = 128 << 10;  // elements
constexpr int64_t kFewLines = 16;
constexpr int64_t kElementsPerRange = 64 << 10;

// Neighbouring lines are scanned together, row by row, in pieces that leave carries and rows close,
// and else are the faster the longer they are.
constexpr int64_t kFewColumns = 16;
constexpr int64_t kFewestColumns = 256;
constexpr int64_t kBlock = BlockReader::kBlock;
constexpr int64_t kMostColumns = kBlock;

// Outputs of this size bypass the caches, so that they need not be read before they are written.
constexpr int64_t kStreamBytes = 32 << 20;

constexpr bool is_real_float(Dtype::Val dtype) {
  return dtype == Dtype::Val::float16 || dtype == Dtype::Val::bfloat16 ||
         dtype == Dtype::Val::float32 || dtype == Dtype::Val::float64;
}

template <ScanOp kOp, class T>
T identity_of() {
  using Limits = std::numeric_limits<std::conditional_t<is_complex<T>, float, T>>;
  constexpr bool kHasInfinity = Limits::has_infinity;
  if constexpr (kOp == ScanOp::cumsum) return T(0);
  if constexpr (kOp == ScanOp::cumprod) return T(1);
  if constexpr (kOp == ScanOp::logcumsumexp) return T(-Limits::infinity());
  constexpr auto kLow = kHasInfinity ? -Limits::infinity() : Limits::lowest();
  constexpr auto kHigh = kHasInfinity ? Limits::infinity() : Limits::max();
  constexpr auto kValue = kOp == ScanOp::cummax ? kLow : kHigh;
  if constexpr (is_complex<T>) {
    return T(kValue, kValue);
  } else {
    return T(kValue);
  }
}

complex64_t log_add_exp(complex64_t x, complex64_t y) {
  const float largest = std::max(x.real(), y.real());
  const float origin = std::isfinite(largest) ? largest : 0;
  const std::complex<float> shift(origin, 0);
  return shift + std::log(std::exp(x - shift) + std::exp(y - shift));
}

template <ScanOp kOp, class T>
T combine(T x, T y) {
  if constexpr (kOp == ScanOp::cummax) {
    return math::max(x, y);
  } else if constexpr (kOp == ScanOp::cummin) {
    return math::min(x, y);
  } else if constexpr (kOp == ScanOp::logcumsumexp) {
    return log_add_exp(x, y);
  } else if constexpr (std::is_integral_v<T>) {
    return T(kOp == ScanOp::cumsum ? uint64_t(x) + uint64_t(y) : uint64_t(x) * uint64_t(y));
  } else {
    return kOp == ScanOp::cumsum ? x + y : x * y;
  }
}

// A ScanRun of any type, one element after the other.
template <ScanOp kOp, bool kInclusive, class T>
void scan_each_in_order(T& total, const T* x, T* out, size_t n, int64_t step) {
  T so_far = total;
  for (size_t i = 0; i < n; ++i, x += step, out += step) {
    const T next = combine<kOp>(so_far, *x);
    *out = kInclusive ? next : so_far;
    so_far = next;
  }
  total = so_far;
}
template <ScanOp kOp, class T>
void scan_each(void* carry, const void* x, void* out, size_t n, ScanOrder order, bool) {
  const int64_t first = order.reverse ? int64_t(n) - 1 : 0;
  const auto run =
      order.inclusive ? scan_each_in_order<kOp, true, T> : scan_each_in_order<kOp, false, T>;
  run(*static_cast<T*>(carry), static_cast<const T*>(x) + first, static_cast<T*>(out) + first, n,
      order.reverse ? -1 : 1);
}

// What combines carries with a row; null if there is no such kernel.
template <ScanOp kOp, class T>
TileKernel pairwise_kernel() {
  if constexpr (kOp == ScanOp::logcumsumexp) return {};
  constexpr ElementwiseOp kPairwise = kOp == ScanOp::cummax    ? ElementwiseOp::maximum
                                      : kOp == ScanOp::cummin  ? ElementwiseOp::minimum
                                      : kOp == ScanOp::cumprod ? ElementwiseOp::multiply
                                                               : ElementwiseOp::add;
  return kernels().elementwise[int(kPairwise)][int(dtype_of<T>.val())];
}

// A ScanColumns of any type.
template <ScanOp kOp, class T>
void scan_columns_each(void* carries, const void* x, void* out, const void* next, size_t n,
                       bool inclusive, bool stream) {
  if (const TileKernel pairwise = pairwise_kernel<kOp, T>(); inclusive && pairwise) {
    pairwise(carries, carries, x, nullptr, n);
    const size_t nbytes = n * sizeof(T);
    stream ? stream_copy(out, carries, nbytes, next) : void(std::memcpy(out, carries, nbytes));
    return;
  }
  T* totals = static_cast<T*>(carries);
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  for (size_t i = 0; i < n; ++i) {
    const T before = totals[i];
    totals[i] = combine<kOp>(before, from[i]);
    to[i] = inclusive ? totals[i] : before;
  }
}

// A ScanRun of double: the largest element so far, and the sum of exponentials relative to it, is
// what one element after the other goes into.
class LogScan {
 public:
  static void run(void* carry, const void* x, void* out, size_t n, ScanOrder order, bool) {
    LogScan scan;
    for (size_t i = 0; i < n; i += kTerms) {
      const size_t count = std::min(kTerms, n - i);
      const size_t at = order.reverse ? n - i - count : i;
      scan.block(*static_cast<double*>(carry), static_cast<const double*>(x) + at,
                 static_cast<double*>(out) + at, count, order);
    }
  }

 private:
  static constexpr size_t kTerms = 512;
  static constexpr size_t kPadded = kTerms + 8;

  void block(double& carry, const double* x, double* out, size_t n, ScanOrder order) {
    std::copy_n(x, n, x_);
    if (order.reverse) std::reverse(x_, x_ + n);
    largest_[0] = carry;
    for (size_t i = 0; i < n; ++i) largest_[i + 1] = math::max(largest_[i], x_[i]);
    scan_kernels().log_terms(largest_, largest_ + 1, x_, scale_, term_, n);
    sum_[0] = std::isfinite(carry) ? 1 : std::exp(carry);
    for (size_t i = 0; i < n; ++i) sum_[i + 1] = sum_[i] * scale_[i] + term_[i];
    scan_kernels().log_sums(largest_, sum_, x_, n + 1);
    carry = x_[n];
    const double* const results = order.inclusive ? x_ + 1 : x_;
    if (order.reverse) {
      std::reverse_copy(results, results + n, out);
    } else {
      std::copy_n(results, n, out);
    }
  }

  double x_[kPadded], largest_[kPadded + 8], sum_[kPadded], scale_[kPadded], term_[kPadded];
};

// How an operation scans one dtype.
struct Scanner {
  Dtype::Val element;      // what the input is converted to
  Dtype::Val accumulator;  // of carries
  ScanRun run;
  ScanColumns columns;                   // null if they are to be scanned one by one
  alignas(8) unsigned char identity[8];  // an accumulator

  Scanner(ScanOp op, Dtype::Val dtype) {
    const bool is_float = is_real_float(dtype);
    const bool is_extreme = op == ScanOp::cummax || op == ScanOp::cummin;
    const bool is_log = op == ScanOp::logcumsumexp;
    element = !is_float || dtype == Dtype::Val::float64 ? dtype
              : is_log                                  ? Dtype::Val::float64
                                                        : Dtype::Val::float32;
    accumulator = is_float && !is_extreme ? Dtype::Val::float64 : element;
    choose_functions(op);
    if (!is_float) return;
    run = is_log ? LogScan::run : scan_kernels().run[int(op)][int(element)];
    columns = scan_kernels().columns[int(op)][int(element)];
  }

  int accumulator_size() const { return kAllDtypes[int(accumulator)].size(); }

 private:
  void choose_functions(ScanOp op) {
    switch (op) {
      case ScanOp::cummax:
        return choose_functions<ScanOp::cummax>();
      case ScanOp::cummin:
        return choose_functions<ScanOp::cummin>();
      case ScanOp::cumprod:
        return choose_functions<ScanOp::cumprod>();
      case ScanOp::cumsum:
        return choose_functions<ScanOp::cumsum>();
      case ScanOp::logcumsumexp:
        return choose_functions<ScanOp::logcumsumexp>();
    }
  }

  // The identity, and the functions of what is not a float.
  template <ScanOp kOp>
  void choose_functions() {
    visit(kAllDtypes[int(accumulator)], [&]<class T>(type_tag<T>) {
      if constexpr (!HalfType<T> && (kOp != ScanOp::logcumsumexp || !std::is_integral_v<T>)) {
        const T value = identity_of<kOp, T>();
        std::memcpy(identity, &value, sizeof(T));
        if constexpr (!std::is_floating_point_v<T>) {
          run = scan_each<kOp, T>;
          columns = scan_columns_each<kOp, T>;
        }
      }
    });
  }
};

// Element (o, i, j) is number (o * length + i) * inner + j; a line goes along i.
struct Lines {
  int64_t outer, length, inner;

  int64_t count() const { return outer * inner; }
  int64_t size() const { return count() * length; }
};

class Scan {
 public:
  // Requires: `in` and `out` are row-major, and the same memory or distinct.
  Scan(ScanOp op, ScanOrder order, Lines lines, const View& in, void* out)
      : op_(op),
        order_(order),
        lines_(lines),
        in_(in),
        out_(static_cast<char*>(out)),
        scanner_(op, in.dtype.val()),
        by_columns_(lines.inner >= kFewColumns && scanner_.columns != nullptr),
        streams_(out != in.data && in.nbytes() >= kStreamBytes),
        narrow_(kernels().cast[int(scanner_.element)][int(in.dtype.val())]) {
    // See Note [Chunks of a scan].
    const int64_t n_side_by_side =
        by_columns_ ? lines.outer * ceil_div(lines.inner, kFewestColumns) : lines.count();
    // Products of chunks of floats overflow or underflow where those of all elements do not.
    const bool may_cut =
        op != ScanOp::cumprod || !(in.dtype == complex64 || is_real_float(in.dtype.val()));
    const bool has_chunks = may_cut && n_side_by_side < kFewLines && lines.size() > 4 * kChunk;
    chunk_ =
        has_chunks ? std::max<int64_t>(1, kChunk / (by_columns_ ? lines.inner : 1)) : lines.length;
    n_chunks_ = ceil_div(lines.length, chunk_);
  }

  void run() {
    if (n_chunks_ > 1) {
      const int64_t n = n_chunks_ * lines_.count();
      carries_ =
          std::make_unique_for_overwrite<unsigned char[]>(size_t(n) * scanner_.accumulator_size());
      fill(carries_.get(), scanner_.identity, n, scanner_.accumulator_size());
      for_each_unit(/*is_final=*/false);
      const Lines chunks{lines_.outer, n_chunks_, lines_.inner};
      const View carries{
          carries_.get(), nullptr, nullptr, 0, kAllDtypes[int(scanner_.accumulator)], n};
      Scan(op_, {order_.reverse, false}, chunks, carries, carries_.get()).run();
    }
    for_each_unit(/*is_final=*/true);
  }

 private:
  struct Buffers {
    alignas(64) unsigned char carries[kBlock * 8];
    alignas(64) unsigned char results[kBlock * 8];
    alignas(64) unsigned char narrowed[kBlock * 4];
  };

  // A unit is a chunk of a line, or of some columns. Those side by side follow each other.
  void for_each_unit(bool is_final) const {
    const int64_t width = by_columns_ ? columns_of_unit() : 1;
    const int64_t n_pieces = ceil_div(lines_.inner, width);
    const auto on_threads = [&](int64_t size, int64_t grain, auto body) {
      // Where a unit is much of the work, none is tried alone first.
      size < kFewLines ? parallel_large_ranges(size, grain, body)
                       : parallel_ranges(size, grain, body);
    };
    on_threads(lines_.outer * n_chunks_ * n_pieces,
               std::max<int64_t>(1, kElementsPerRange / (chunk_ * width)), [&](RangeQueue& queue) {
                 BlockReader reader(in_, scanner_.element);
                 Buffers buffers;
                 for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
                   for (int64_t unit = range.begin; unit < range.end; ++unit) {
                     const int64_t column = unit % n_pieces * width;
                     const int64_t chunk = unit / n_pieces % n_chunks_;
                     const int64_t outer = unit / n_pieces / n_chunks_;
                     const int64_t n_columns = std::min(width, lines_.inner - column);
                     if (by_columns_) {
                       scan_columns(reader, buffers, outer, chunk, column, n_columns, is_final);
                     } else {
                       scan_line(reader, buffers, outer, chunk, column, is_final);
                     }
                   }
                 }
                 if (streams_) stream_fence();
               });
  }

  // A thread's share, where that is not too little: pieces of rows are the faster the longer.
  int64_t columns_of_unit() const {
    const int64_t share = std::max(lines_.count() * n_chunks_ / num_threads(), kFewestColumns);
    const int64_t width = ceil_div(share, ceil_div(share, kMostColumns));
    return std::min(lines_.inner, ceil_div(width, kFewColumns) * kFewColumns);
  }

  int64_t rows_of(int64_t chunk) const { return std::min(chunk_, lines_.length - chunk * chunk_); }
  int64_t offset_of(int64_t outer, int64_t chunk, int64_t column) const {
    return (outer * lines_.length + chunk * chunk_) * lines_.inner + column;
  }

  // What n lines, from number `column` on, of a chunk begin with.
  unsigned char* carries_of(Buffers& buffers, int64_t outer, int64_t chunk, int64_t column,
                            int64_t n) const {
    const int size = scanner_.accumulator_size();
    if (n_chunks_ > 1) {
      return carries_.get() + ((outer * n_chunks_ + chunk) * lines_.inner + column) * size;
    }
    fill(buffers.carries, scanner_.identity, n, size);
    return buffers.carries;
  }

  char* out_at(int64_t offset) const { return out_ + offset * in_.itemsize(); }

  void scan_line(BlockReader& reader, Buffers& buffers, int64_t outer, int64_t chunk,
                 int64_t column, bool is_final) const {
    void* const carry = carries_of(buffers, outer, chunk, column, 1);
    const int64_t stride = lines_.inner;
    const int64_t first = offset_of(outer, chunk, column);
    const int64_t n = rows_of(chunk);
    const bool is_direct = is_final && reader.reads_in_place(stride);
    const int64_t step = is_direct ? n : kBlock;
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = std::min(step, n - i);
      const int64_t at = first + (order_.reverse ? n - i - count : i) * stride;
      const void* x = reader.read_run(at, stride, count);
      void* const results = is_direct ? static_cast<void*>(out_at(at)) : buffers.results;
      const bool streams = is_direct && streams_ && is_stream_aligned(results) &&
                           is_stream_aligned(out_at(at + count));
      scanner_.run(carry, x, results, size_t(count), order_, streams);
      if (is_final && !is_direct) write_run(buffers, at, stride, count, nullptr);
    }
  }

  void scan_columns(BlockReader& reader, Buffers& buffers, int64_t outer, int64_t chunk,
                    int64_t column, int64_t n, bool is_final) const {
    void* const carries = carries_of(buffers, outer, chunk, column, n);
    const int64_t first = offset_of(outer, chunk, column);
    const int64_t n_rows = rows_of(chunk);
    const bool is_in_place = reader.reads_in_place(1);
    const bool is_direct = is_final && !narrow_;
    const int64_t step = order_.reverse ? -lines_.inner : lines_.inner;
    int64_t at = first + (order_.reverse ? (n_rows - 1) * lines_.inner : 0);
    for (int64_t i = 0; i < n_rows; ++i, at += step) {
      const void* x = reader.read_run(at, 1, n);
      void* const results = is_direct ? static_cast<void*>(out_at(at)) : buffers.results;
      const bool streams = is_direct && streams_ && is_stream_aligned(results);
      const char* const next = in_.as<char>() + (i + 1 < n_rows ? at + step : at) * in_.itemsize();
      scanner_.columns(carries, x, results, is_in_place ? next : x, size_t(n), order_.inclusive,
                       streams);
      if (is_final && !is_direct) write_run(buffers, at, 1, n, next);
    }
  }

  // Puts n results into the output. `next`: what will be read after it, or null.
  void write_run(Buffers& buffers, int64_t offset, int64_t stride, int64_t n,
                 const char* next) const {
    const unsigned char* results = buffers.results;
    if (narrow_) {
      narrow_(buffers.narrowed, results, nullptr, nullptr, size_t(n));
      results = buffers.narrowed;
    }
    if (streams_ && stride == 1) {
      stream_copy(out_at(offset), results, size_t(n * in_.itemsize()), next);
    } else {
      const int32_t dim = int32_t(n);
      scatter(out_at(offset), {&dim, 1}, &stride, 0, results, n, int(in_.itemsize()));
    }
  }

  const ScanOp op_;
  const ScanOrder order_;
  const Lines lines_;
  const View in_;
  char* const out_;
  const Scanner scanner_;
  const bool by_columns_;
  const bool streams_;
  const TileKernel narrow_;  // from elements to the output's dtype; null if that is theirs
  int64_t chunk_;
  int64_t n_chunks_;
  std::unique_ptr<unsigned char[]> carries_;  // [outer, chunk, inner]
};

ScanKernels make_kernels(const char* isa) {
  ScanKernels kernels{};
  TARN_CALL_ISA_FUNCTION(isa, add_scan_kernels, kernels);
  return kernels;
}

}  // namespace

const ScanKernels& scan_kernels() {
  static const ScanKernels chosen = make_kernels(kernels().isa);
  return chosen;
}

std::span<const ScanKernels> runnable_scan_kernels() {
  static const std::vector<ScanKernels> runnable = [] {
    std::vector<ScanKernels> tables;
    for (const KernelTable* table : runnable_kernels()) tables.push_back(make_kernels(table->isa));
    return tables;
  }();
  return runnable;
}

void scan(ScanOp op, const View& in, int axis, ScanOrder order, const View& out) {
  if (in.size == 0) return;
  Lines lines{1, in.shape[axis], 1};
  for (int i = 0; i < axis; ++i) lines.outer *= in.shape[i];
  for (int i = axis + 1; i < in.ndim; ++i) lines.inner *= in.shape[i];
  View from = in;
  if (!is_row_contiguous(in)) {
    copy(in, out);
    from.data = out.data;
  }
  if (in.dtype == complex64 && op == ScanOp::cumsum) {
    // The sums of real and of imaginary parts.
    from.dtype = float32;
    lines.inner *= 2;
  }
  Scan(op, order, lines, from, out.data).run();
}

}  // namespace tarn::cpu
