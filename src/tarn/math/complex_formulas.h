// The functions that operations are made of, for complex numbers. Computed in double precision and
// rounded once: two floats leave no bits for the cancellation inside complex exp, tanh or division.
//
// Not always inline and full of library templates, so nothing compiled for one instruction set may
// instantiate it.
#pragma once

#include <complex>

#include "tarn/base/complex.h"
#include "tarn/math/scalar.h"

namespace tarn::math {

namespace complex_math {

using Wide = std::complex<double>;

inline Wide widen(complex64_t x) { return {x.real(), x.imag()}; }
inline complex64_t narrow(Wide x) { return {float(x.real()), float(x.imag())}; }

}  // namespace complex_math

inline float abs(complex64_t x) { return float(std::abs(complex_math::widen(x))); }

#define TARN_COMPLEX_FUNCTION(name)                                 \
  inline complex64_t name(complex64_t x) {                          \
    return complex_math::narrow(std::name(complex_math::widen(x))); \
  }
TARN_COMPLEX_FUNCTION(cos)
TARN_COMPLEX_FUNCTION(exp)
TARN_COMPLEX_FUNCTION(log)
TARN_COMPLEX_FUNCTION(sin)
TARN_COMPLEX_FUNCTION(sqrt)
TARN_COMPLEX_FUNCTION(tanh)
#undef TARN_COMPLEX_FUNCTION

// 1 where y is 0, 0 where only x is; exp(y log x) has NaN there.
inline complex64_t pow(complex64_t x, complex64_t y) {
  if (y == complex64_t(0)) return complex64_t(1);
  if (x == complex64_t(0) && y.real() > 0) return complex64_t(0);
  return complex_math::narrow(std::exp(complex_math::widen(y) * std::log(complex_math::widen(x))));
}

inline complex64_t round_even(complex64_t x) {
  return {round_even(x.real()), round_even(x.imag())};
}

inline bool isnan(complex64_t x) { return std::isnan(x.real()) || std::isnan(x.imag()); }
inline bool isinf(complex64_t x) { return std::isinf(x.real()) || std::isinf(x.imag()); }
inline bool isfinite(complex64_t x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); }

inline complex64_t sign(complex64_t x) {
  if (x == complex64_t(0)) return x;
  return complex_math::narrow(complex_math::widen(x) / std::abs(complex_math::widen(x)));
}

// By real part, then imaginary; NaN where either is NaN.
inline complex64_t max(complex64_t x, complex64_t y) {
  if (isnan(x)) return x;
  return x > y || !(isnan(y) || y > x) ? x : y;
}
inline complex64_t min(complex64_t x, complex64_t y) {
  if (isnan(x)) return x;
  return x < y || !(isnan(y) || y < x) ? x : y;
}

}  // namespace tarn::math
