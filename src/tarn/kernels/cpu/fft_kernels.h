// The inner loops of Fourier transforms, one table per instruction set. They work on packs of
// transforms side by side: element j of all of them is a pack of real parts and a pack of imaginary
// parts, the rows 2j and 2j + 1 of a matrix of floats with as many columns as a pack has lanes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tarn::cpu {

// One pass of the self-sorting algorithm of Stockham. Of the `stride` interleaved transforms of
// radix * n_blocks elements that are left, it makes radix * stride transforms of n_blocks.
struct FftPass {
  int radix;
  int64_t n_blocks;
  int64_t stride;
  const float* twiddles;  // exp(-2 pi i p k / (radix n_blocks)) for p < n_blocks, 0 < k < radix
  const float* roots;  // cosines of 2 pi k / radix for k < radix, then the sines; odd radices only
};

// The radices that there are passes for.
inline constexpr int kFftRadices[] = {8, 4, 2, 3, 5, 7, 11, 13};

struct FftKernels {
  size_t n_lanes;

  // Transforms the elements in `x` by way of `y`, of the same size; returns which of the two has
  // the result. The inverse is not scaled.
  float* (*transform)(std::span<const FftPass> passes, bool is_inverse, float* x, float* y);

  // Rows of n numbers, as many as there are lanes, become the columns of a matrix of n rows; and
  // back, multiplied by `scale`.
  void (*load_rows)(const float* rows, int64_t row_stride, int64_t n, float* to);
  void (*store_rows)(const float* from, int64_t n, float scale, float* rows, int64_t row_stride);

  // Elements of n rows of complex numbers, as many in each as there are lanes; and back. Strides
  // count floats.
  void (*load_complex)(const float* from, int64_t stride, int64_t n, float* to);
  void (*store_complex)(const float* from, int64_t n, float scale, float* to, int64_t stride);

  // Element k times roots[k * step] times element k of by_lane, or their conjugates for the
  // inverse; written as a row of complex numbers each.
  void (*twiddle)(const float* from, int64_t n, bool is_inverse, const float* roots, int64_t step,
                  const float* by_lane, float* to);

  // From the spectrum of n complex numbers that are pairs of 2n real ones, the first n + 1 elements
  // of the spectrum of these, as elements or as store_rows() writes them; and back to twice what it
  // was. twiddles[k] is exp(-pi i k / n) for k <= n / 2.
  void (*split_spectrum)(const float* from, int64_t n, const float* twiddles, float* to);
  void (*split_to_rows)(const float* from, int64_t n, const float* twiddles, float scale,
                        float* rows, int64_t row_stride);
  void (*merge_spectrum)(const float* from, int64_t n, const float* twiddles, float* to);

  // The same of a single row of complex numbers, in place: elements k and n - k for begin <= k <
  // end. Requires: 0 < begin, end <= n / 2 + 1.
  void (*split_in_row)(float* row, int64_t n, const float* twiddles, int64_t begin, int64_t end);
  void (*merge_in_row)(float* row, int64_t n, const float* twiddles, int64_t begin, int64_t end);
};

// Those of the instruction set that kernels() has chosen.
const FftKernels& fft_kernels();

// Those of the instruction set `isa`, which is named as in TARN_ISA.
FftKernels fft_kernels(const char* isa);

}  // namespace tarn::cpu
