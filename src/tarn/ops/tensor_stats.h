// All the statistics that tell whether a tensor is sound, in one pass over it.
#pragma once

#include <limits>

#include "tarn/base/fn.h"
#include "tarn/ops/op_info.h"

namespace tarn {

// How the bytes of an array are to be understood.
enum class NumberFormat : unsigned char {
  of_dtype,
  float8_e4m3,  // these of uint8 arrays; as in OCP's "8-bit Floating Point Specification"
  float8_e5m2,
  float8_e8m0,
  float8_e4m3fnuz,  // no infinity, no -0, which is NaN, and a bias greater by 1
  float8_e5m2fnuz,
  float4_e2m1,  // two to a byte
};
inline constexpr int kNumberFormatCount = int(NumberFormat::float4_e2m1) + 1;

// Of all numbers of an array: tensor_stats gives these fields in this order. Counts are exact up to
// 2^53.
struct TensorStats {
  double finite = 0;  // how many are neither NaN nor infinite; only they count in what follows inf
  double zeros = 0;
  double nan = 0;
  double inf = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double mean = 0;
  double m2 = 0;        // the sum of squared distances from the mean, these times `scale`
  double scale = 1;     // or kSmallScale, if the squares would be infinite
  double min_rest = 0;  // what the exact numbers have over min and max: of 64-bit integers, which
  double max_rest = 0;  // double rounds

  // With it neither the squares nor any sum of them are infinite.
  static constexpr double kSmallScale = 0x1p-560;

  // Adds those of other numbers (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
  // Algorithm for Computing Sample Variances", 1979).
  TARN_FN void add(const TensorStats& other) {
    zeros += other.zeros;
    nan += other.nan;
    inf += other.inf;
    if (other.finite == 0) return;
    const double total = finite + other.finite;
    const double distance = other.mean - mean;
    // In an order that gives 0, not NaN, for the first numbers however large they are.
    const double sum = m2 + other.m2 + distance * (finite / total) * other.finite * distance;
    if (scale == 1 && other.scale == 1 && sum < std::numeric_limits<double>::infinity()) {
      mean += distance * (other.finite / total);
      m2 = sum;
    } else {
      add_scaled(other, total);
    }
    add_extremes(other);
    finite = total;
  }

 private:
  TARN_FN void add_scaled(const TensorStats& other, double total) {
    const double distance = other.mean * kSmallScale - mean * kSmallScale;
    m2 = small_m2() + other.small_m2() + distance * (finite / total) * other.finite * distance;
    scale = kSmallScale;
    mean = (mean * kSmallScale + distance * (other.finite / total)) / kSmallScale;
  }
  TARN_FN double small_m2() const {
    const double ratio = kSmallScale / scale;
    return m2 * ratio * ratio;
  }

  TARN_FN void add_extremes(const TensorStats& other) {
    if (other.min < min || (other.min == min && other.min_rest < min_rest)) {
      min = other.min;
      min_rest = other.min_rest;
    }
    if (other.max > max || (other.max == max && other.max_rest > max_rest)) {
      max = other.max;
      max_rest = other.max_rest;
    }
  }
};
inline constexpr int kTensorStatsSize = sizeof(TensorStats) / sizeof(double);

namespace ops {

// The output is float64 with kTensorStatsSize elements; the input is row-major. The numbers of a
// complex64 array are its real and imaginary parts.
struct TensorStats {
  static constexpr OpInfo info{"tensor_stats", "a, format",
                               "Count, zeros, NaN, Inf, extremes, mean and spread at once."};

  NumberFormat format;
};

}  // namespace ops
}  // namespace tarn
