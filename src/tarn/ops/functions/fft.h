// Discrete Fourier transforms, in single precision: inputs are cast to complex64 first, or to
// float32 where they are to be real.
//
// Axes default to all of them, lengths `n` to those of the axes; a longer input is cut off, a
// shorter one continued with zeros. A transform without an inverse would scale by `norm`: see
// FFTNorm. No axis may be named twice, no length may be zero: std::invalid_argument.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn::fft {

enum class FFTNorm {
  Backward,  // inverse transforms are divided by the length
  Ortho,     // both directions are divided by its square root
  Forward,   // the others are divided by it
};

// Of the complex numbers along several axes. Transforms of real ones, rfftn and so on, leave out
// what follows from symmetry: of the last of the axes, their results keep n / 2 + 1 elements. Their
// inverses give real numbers; the length of the last axis defaults to 2 (m - 1) for m elements.
#define TARN_DECLARE_TRANSFORMS(name)                                                        \
  array name(const array& a, const Shape& n, const std::vector<int>& axes,                   \
             FFTNorm norm = FFTNorm::Backward, StreamOrDevice s = {});                       \
  array name(const array& a, const std::vector<int>& axes, FFTNorm norm = FFTNorm::Backward, \
             StreamOrDevice s = {});                                                         \
  array name(const array& a, FFTNorm norm = FFTNorm::Backward, StreamOrDevice s = {});
TARN_DECLARE_TRANSFORMS(fftn)
TARN_DECLARE_TRANSFORMS(ifftn)
TARN_DECLARE_TRANSFORMS(rfftn)
TARN_DECLARE_TRANSFORMS(irfftn)
#undef TARN_DECLARE_TRANSFORMS

// Along one axis.
#define TARN_DECLARE_TRANSFORM(name)                                            \
  array name(const array& a, int n, int axis, FFTNorm norm = FFTNorm::Backward, \
             StreamOrDevice s = {});                                            \
  array name(const array& a, int axis = -1, FFTNorm norm = FFTNorm::Backward,   \
             StreamOrDevice s = {});
TARN_DECLARE_TRANSFORM(fft)
TARN_DECLARE_TRANSFORM(ifft)
TARN_DECLARE_TRANSFORM(rfft)
TARN_DECLARE_TRANSFORM(irfft)
#undef TARN_DECLARE_TRANSFORM

// Along two axes.
#define TARN_DECLARE_TRANSFORM_2(name)                                     \
  array name(const array& a, const Shape& n, const std::vector<int>& axes, \
             FFTNorm norm = FFTNorm::Backward, StreamOrDevice s = {});     \
  array name(const array& a, const std::vector<int>& axes = {-2, -1},      \
             FFTNorm norm = FFTNorm::Backward, StreamOrDevice s = {});
TARN_DECLARE_TRANSFORM_2(fft2)
TARN_DECLARE_TRANSFORM_2(ifft2)
TARN_DECLARE_TRANSFORM_2(rfft2)
TARN_DECLARE_TRANSFORM_2(irfft2)
#undef TARN_DECLARE_TRANSFORM_2

// The frequencies of the n elements of a spectrum, float32, if samples are `d` apart; and of the
// n / 2 + 1 that transforms of real numbers keep.
array fftfreq(int n, double d = 1.0, StreamOrDevice s = {});
array rfftfreq(int n, double d = 1.0, StreamOrDevice s = {});

// Brings frequency 0 to the middle, element n / 2 of each axis; and back.
array fftshift(const array& a, StreamOrDevice s = {});
array fftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array ifftshift(const array& a, StreamOrDevice s = {});
array ifftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});

}  // namespace tarn::fft
