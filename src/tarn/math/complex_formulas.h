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
TARN_COMPLEX_FUNCTION(acos)
TARN_COMPLEX_FUNCTION(acosh)
TARN_COMPLEX_FUNCTION(asin)
TARN_COMPLEX_FUNCTION(asinh)
TARN_COMPLEX_FUNCTION(atan)
TARN_COMPLEX_FUNCTION(atanh)
TARN_COMPLEX_FUNCTION(cos)
TARN_COMPLEX_FUNCTION(cosh)
TARN_COMPLEX_FUNCTION(exp)
TARN_COMPLEX_FUNCTION(log)
TARN_COMPLEX_FUNCTION(log10)
TARN_COMPLEX_FUNCTION(sin)
TARN_COMPLEX_FUNCTION(sinh)
TARN_COMPLEX_FUNCTION(sqrt)
TARN_COMPLEX_FUNCTION(tan)
TARN_COMPLEX_FUNCTION(tanh)
#undef TARN_COMPLEX_FUNCTION

inline complex64_t log2(complex64_t x) {
  return complex_math::narrow(std::log(complex_math::widen(x)) / std::log(2.0));
}

namespace complex_math {

inline Wide log1p(Wide z) {
  const Wide sum = 1.0 + z;
  if (std::abs(z) > 0.5) return std::log(sum);
  // |1 + z|^2 - 1, without the 1 beside which a small z would be lost.
  const double excess = z.real() * (2 + z.real()) + z.imag() * z.imag();
  return {0.5 * std::log1p(excess), std::arg(sum)};
}

}  // namespace complex_math

inline complex64_t log1p(complex64_t x) {
  return complex_math::narrow(complex_math::log1p(complex_math::widen(x)));
}

// Of the operand with the larger real part, so that no exponential overflows.
inline complex64_t logaddexp(complex64_t x, complex64_t y) {
  if (x.real() < y.real()) return logaddexp(y, x);
  if (std::isinf(x.real()) && y.real() == y.real()) return x;
  const complex_math::Wide larger = complex_math::widen(x);
  const complex_math::Wide ratio = std::exp(complex_math::widen(y) - larger);
  return complex_math::narrow(larger + complex_math::log1p(ratio));
}

// 1 where y is 0, 0 where only x is; exp(y log x) has NaN there.
inline complex64_t pow(complex64_t x, complex64_t y) {
  if (y == complex64_t(0)) return complex64_t(1);
  if (x == complex64_t(0) && y.real() > 0) return complex64_t(0);
  return complex_math::narrow(std::exp(complex_math::widen(y) * std::log(complex_math::widen(x))));
}

inline complex64_t round_even(complex64_t x) {
  return {round_even(x.real()), round_even(x.imag())};
}

inline float real(complex64_t x) { return x.real(); }
inline float imag(complex64_t x) { return x.imag(); }
inline complex64_t conjugate(complex64_t x) { return {x.real(), -x.imag()}; }

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
