// Fourier transforms along one axis. Those along several are one after the other.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Of n elements along the axis: what is beyond them in the input is ignored, what is missing is 0.
// Element k becomes scale times the sum over j of x[j] exp(-2 pi i j k / n), of the inverse with
// the other sign. Of real inputs only the first n / 2 + 1 elements of the spectrum are made, and of
// them real outputs.
struct Fft {
  static constexpr OpInfo info{"fft", "a, n, axis, norm", "Discrete Fourier transform of an axis."};

  enum class Kind : unsigned char {
    forward,          // complex64 to complex64
    inverse,          // complex64 to complex64
    real_to_complex,  // float32 to complex64, forward
    complex_to_real,  // complex64 to float32, inverse
  };

  Kind kind;
  int axis;
  int n;
  float scale;
};

}  // namespace tarn::ops
