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
};

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
  double m2 = 0;  // the sum of squared distances from the mean

  // Adds those of other numbers (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
  // Algorithm for Computing Sample Variances", 1979).
  TARN_FN void add(const TensorStats& other) {
    zeros += other.zeros;
    nan += other.nan;
    inf += other.inf;
    if (other.finite == 0) return;
    const double total = finite + other.finite;
    const double distance = other.mean - mean;
    mean += distance * (other.finite / total);
    // In an order that gives 0, not NaN, for the first numbers however large they are.
    m2 += other.m2 + distance * (finite / total) * other.finite * distance;
    if (other.min < min) min = other.min;
    if (other.max > max) max = other.max;
    finite = total;
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
