#include "tarn/kernels/cpu/norm.h"

#include <algorithm>
#include <cmath>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/moment_kernels.h"
#include "tarn/kernels/cpu/norm_kernels.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/row_walk.h"

TARN_DECLARE_ISA_FUNCTION(add_norm_kernels, NormKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 32 << 10;
constexpr int64_t kBlock = BlockReader::kBlock;

const NormKernels& norm_kernels() {
  static const NormKernels chosen = [] {
    NormKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_norm_kernels, made);
    return made;
  }();
  return chosen;
}

// A vector that every row is multiplied with, or that is added to it; or none.
class RowVector {
 public:
  explicit RowVector(const View* vector)
      : stride_(vector != nullptr ? vector->strides[0] : 0),
        is_there_(vector != nullptr),
        reader_(vector != nullptr ? *vector : View{nullptr, nullptr, nullptr, 0, float32, 0},
                vector != nullptr ? vector->dtype.val() : Dtype::Val::float32) {}

  const void* read(int64_t begin, int64_t n) {
    return is_there_ ? reader_.read_run(begin * stride_, stride_, n) : nullptr;
  }

 private:
  const int64_t stride_;
  const bool is_there_;
  BlockReader reader_;
};

class Norm {
 public:
  Norm(const View& x, const View* weight, const View* bias, float eps, const View& out)
      : x_(with_dense_rows(x, out)),
        weight_(weight),
        bias_(bias),
        out_(out),
        n_(x.shape[x.ndim - 1]),
        eps_(eps),
        streams_(streams_to(out, x_)),
        sum_distances_(moment_kernels().sum[int(x.dtype.val())]),
        scale_row_(norm_kernels().scale_row[int(x.dtype.val())]) {}

  // scale_of(row) finds the RowScale of a row.
  template <class F>
  void run(F scale_of) const {
    for_each_row(
        x_, out_, kElementsPerRange, [&] { return Scratch(weight_, bias_); },
        [&](Scratch& scratch, const char* x, char* to) { write_row(scale_of(x), x, to, scratch); });
  }

  RowScale scale_of_root_mean_square(const char* row) const {
    return {0, 1 / std::sqrt(sum_distances(row, 0).squares / double(n_) + eps_), 0};
  }

  RowScale scale_of_deviation(const char* row) const {
    const double n = double(n_);
    DistanceSums sums = sum_distances(row, 0);
    const double mean = sums.distances / n;
    const double center = x_.dtype == float64 ? mean : double(float(mean));
    double squares = sums.squares - sums.distances * mean;
    // Of a sum of squares, what the mean takes is lost in digits: where that is most of it, the
    // distances are taken from the mean.
    double rest = mean - center;
    if (!(squares >= sums.distances * mean)) {
      sums = sum_distances(row, center);
      rest = sums.distances / n;
      squares = sums.squares - sums.distances * rest;
    }
    const double scale = 1 / std::sqrt((squares < 0 ? 0 : squares) / n + eps_);  // a NaN stays
    return {center, scale, -rest * scale};
  }

 private:
  struct Scratch {
    Scratch(const View* a_weight, const View* a_bias) : weight(a_weight), bias(a_bias) {}

    RowVector weight, bias;
    alignas(64) char staged[kBlock * 8];
  };

  // Calls f(begin, how many) for the blocks of a row.
  template <class F>
  void for_each_block(F f) const {
    for (int64_t i = 0; i < n_; i += kBlock) f(i, std::min(kBlock, n_ - i));
  }

  DistanceSums sum_distances(const char* row, double center) const {
    const float narrow_center = float(center);
    const void* const from = x_.dtype == float64 ? static_cast<const void*>(&center)
                                                 : static_cast<const void*>(&narrow_center);
    DistanceSums total;
    for_each_block([&](int64_t begin, int64_t n) {
      const DistanceSums sums = sum_distances_(row + begin * x_.itemsize(), from, size_t(n));
      total.distances += sums.distances;
      total.squares += sums.squares;
    });
    return total;
  }

  void write_row(const RowScale& by, const char* x, char* to, Scratch& scratch) const {
    for_each_block([&](int64_t begin, int64_t n) {
      const int64_t offset = begin * x_.itemsize();
      scale_row_(by, x + offset, scratch.weight.read(begin, n), scratch.bias.read(begin, n),
                 streams_ ? scratch.staged : to + offset, size_t(n));
      const char* const next = x + offset + n_ * x_.itemsize();
      if (streams_) stream_copy(to + offset, scratch.staged, size_t(n * x_.itemsize()), next);
    });
  }

  const View x_;
  const View* const weight_;
  const View* const bias_;
  const View& out_;
  const int64_t n_;  // elements of a row
  const double eps_;
  const bool streams_;
  const DistanceSummer sum_distances_;
  const RowScaler scale_row_;
};

}  // namespace

void rms_norm(const View& x, const View* weight, float eps, const View& out) {
  if (x.size == 0) return;
  const Norm norm(x, weight, nullptr, eps, out);
  norm.run([&](const char* row) { return norm.scale_of_root_mean_square(row); });
}

void layer_norm(const View& x, const View* weight, const View* bias, float eps, const View& out) {
  if (x.size == 0) return;
  const Norm norm(x, weight, bias, eps, out);
  norm.run([&](const char* row) { return norm.scale_of_deviation(row); });
}

}  // namespace tarn::cpu
