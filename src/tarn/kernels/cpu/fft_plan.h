// What transforms of a length need to know: factors, and tables of roots of unity. Computed in
// double, kept for the next transform of that length.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tarn/kernels/cpu/fft_kernels.h"

namespace tarn::cpu {

// Whether a length is a product of radices that there are passes for.
bool has_fft_passes(int64_t n);

// The passes of a transform in lanes. Requires: has_fft_passes(n).
struct FftPasses {
  explicit FftPasses(int64_t n);
  FftPasses(const FftPasses&) = delete;  // passes point into `roots`
  FftPasses& operator=(const FftPasses&) = delete;
  int64_t nbytes() const { return int64_t(roots.size() * sizeof(float)); }

  std::vector<FftPass> passes;
  std::vector<float> roots;
};

// A long transform as two rounds of shorter ones ("four-step", Bailey, "FFTs in External or
// Hierarchical Memory", 1990): n elements are a matrix of `rows` x `columns`. All columns are
// transformed, element k of column j is multiplied by exp(-2 pi i j k / n), all rows are
// transformed. Requires: has_fft_passes(n).
struct FftSplit {
  FftSplit(int64_t n, int64_t n_lanes);
  int64_t nbytes() const;

  int64_t rows;
  int64_t columns;
  std::shared_ptr<const FftPasses> of_columns;
  std::shared_ptr<const FftPasses> of_rows;
  // The factor of element k of column j is roots[k * (j / n_lanes)] by_lane[k][j % n_lanes].
  std::vector<float> roots;
  std::vector<float> by_lane;
};

// Any transform as a convolution (Bluestein, 1970), of a length that has passes: for large primes.
struct FftConvolution {
  FftConvolution(int64_t n, int64_t n_lanes);
  int64_t nbytes() const { return int64_t((chirp.size() + spectrum.size()) * sizeof(float)); }

  int64_t length;
  std::vector<float> chirp;     // exp(-pi i k^2 / n) for k < n
  std::vector<float> spectrum;  // of the conjugate of the chirp, periodic, over `length`
};

// exp(-2 pi i k / n) for k <= n / 4.
struct FftHalfTwiddles {
  explicit FftHalfTwiddles(int64_t n);
  int64_t nbytes() const { return int64_t(roots.size() * sizeof(float)); }

  std::vector<float> roots;
};

std::shared_ptr<const FftPasses> fft_passes(int64_t n);
std::shared_ptr<const FftSplit> fft_split(int64_t n);
std::shared_ptr<const FftConvolution> fft_convolution(int64_t n);
std::shared_ptr<const FftHalfTwiddles> fft_half_twiddles(int64_t n);

}  // namespace tarn::cpu
