// What elementwise operations mean, computed plainly: floats in double, integers modulo a power of
// two, complex numbers in complex<double>. Shares nothing with src/tarn/math.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/ops/elementwise_op.h"

namespace tarn {

// How far a result may be from the exact one, in units in the last place of its type, before it is
// rounded to 16 bits. docs/accuracy.md has what was measured.
inline double tolerance_ulp(ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::erf:
    case ElementwiseOp::exp:
    case ElementwiseOp::log:
    case ElementwiseOp::log10:
    case ElementwiseOp::log2:
      return 1.1;
    case ElementwiseOp::arccos:
    case ElementwiseOp::cosh:
    case ElementwiseOp::expm1:
    case ElementwiseOp::log1p:
    case ElementwiseOp::rsqrt:
    case ElementwiseOp::tanh:
      return 1.5;
    case ElementwiseOp::arcsin:
    case ElementwiseOp::arcsinh:
    case ElementwiseOp::arctan:
    case ElementwiseOp::arctan2:
    case ElementwiseOp::cos:
    case ElementwiseOp::power:
    case ElementwiseOp::sin:
    case ElementwiseOp::sinh:
      return 2.0;
    case ElementwiseOp::arccosh:
    case ElementwiseOp::arctanh:
    case ElementwiseOp::erfinv:
    case ElementwiseOp::sigmoid:
      return 2.5;
    case ElementwiseOp::tan:
      return 3.5;
    default:
      return 0.501;
  }
}

// By Newton's method, where the difference from 1 has the digits in the tails.
inline double erfinv_reference(double x) {
  if (x < 0) return -erfinv_reference(-x);
  if (!(x < 1)) return x == 1 ? INFINITY : NAN;
  double y = x < 0.9 ? x : std::sqrt(-std::log1p(-x));  // below the root, or a little above
  for (int step = 0; step < 8; ++step) {
    const double error = x < 0.5 ? std::erf(y) - x : (1 - x) - std::erfc(y);
    y -= error * std::exp(y * y) * 0.88622692545275801365;
  }
  return y;
}

inline double logaddexp_reference(double x, double y) {
  if (x < y) std::swap(x, y);
  return x == y ? x + std::log(2.0) : x + std::log1p(std::exp(y - x));
}

// The value of an 8-bit float of 4 bits of exponent and 3 of mantissa.
inline double float8_reference(uint8_t code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return NAN;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

// The code whose value is nearest, the even one of two.
inline uint8_t float8_code_reference(float x) {
  const uint8_t sign = std::signbit(x) ? 0x80 : 0;
  if (std::isnan(x)) return sign | 0x7f;
  const double magnitude = std::fmin(std::fabs(x), 448.0);
  uint8_t best = 0;
  for (uint8_t code = 1; code < 0x7f; ++code) {
    const double distance = std::fabs(float8_reference(code) - magnitude);
    const double least = std::fabs(float8_reference(best) - magnitude);
    if (distance < least || (distance == least && code % 2 == 0)) best = code;
  }
  return sign | best;
}

// `Compute` is the type that the operation rounds to inside: float or double.
template <class Compute>
double reference(ElementwiseOp op, double x, double y) {
  switch (op) {
    case ElementwiseOp::abs:
      return std::fabs(x);
    case ElementwiseOp::arccos:
      return std::acos(x);
    case ElementwiseOp::arccosh:
      return std::acosh(x);
    case ElementwiseOp::arcsin:
      return std::asin(x);
    case ElementwiseOp::arcsinh:
      return std::asinh(x);
    case ElementwiseOp::arctan:
      return std::atan(x);
    case ElementwiseOp::arctanh:
      return std::atanh(x);
    case ElementwiseOp::ceil:
      return std::ceil(x);
    case ElementwiseOp::cos:
      return std::cos(x);
    case ElementwiseOp::cosh:
      return std::cosh(x);
    case ElementwiseOp::erf:
      return std::erf(x);
    case ElementwiseOp::erfinv:
      return erfinv_reference(x);
    case ElementwiseOp::exp:
      return std::exp(x);
    case ElementwiseOp::expm1:
      return std::expm1(x);
    case ElementwiseOp::floor:
      return std::floor(x);
    case ElementwiseOp::imag:
      return 0;
    case ElementwiseOp::isfinite:
      return std::isfinite(x);
    case ElementwiseOp::isinf:
      return std::isinf(x);
    case ElementwiseOp::isnan:
      return std::isnan(x);
    case ElementwiseOp::log:
      return std::log(x);
    case ElementwiseOp::log10:
      return std::log10(x);
    case ElementwiseOp::log1p:
      return std::log1p(x);
    case ElementwiseOp::log2:
      return std::log2(x);
    case ElementwiseOp::negative:
      return -x;
    case ElementwiseOp::reciprocal:
      return 1 / x;
    case ElementwiseOp::round:
      return std::nearbyint(x);
    case ElementwiseOp::rsqrt:
      return 1 / std::sqrt(x);
    case ElementwiseOp::sigmoid:
      return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
    case ElementwiseOp::sign:
      return (x > 0) - (x < 0);
    case ElementwiseOp::sin:
      return std::sin(x);
    case ElementwiseOp::sinh:
      return std::sinh(x);
    case ElementwiseOp::sqrt:
      return std::sqrt(x);
    case ElementwiseOp::square:
      return x * x;
    case ElementwiseOp::tan:
      return std::tan(x);
    case ElementwiseOp::tanh:
      return std::tanh(x);
    case ElementwiseOp::trunc:
      return std::trunc(x);
    case ElementwiseOp::add:
      return x + y;
    case ElementwiseOp::arctan2:
      return std::atan2(x, y);
    case ElementwiseOp::divide:
      return x / y;
    case ElementwiseOp::equal:
      return x == y;
    case ElementwiseOp::floor_divide:
      return std::floor(static_cast<Compute>(x / y));
    case ElementwiseOp::greater:
      return x > y;
    case ElementwiseOp::greater_equal:
      return x >= y;
    case ElementwiseOp::less:
      return x < y;
    case ElementwiseOp::less_equal:
      return x <= y;
    case ElementwiseOp::logaddexp:
      return logaddexp_reference(x, y);
    case ElementwiseOp::maximum:
      return std::isnan(x) || std::isnan(y) ? NAN : std::fmax(x, y);
    case ElementwiseOp::minimum:
      return std::isnan(x) || std::isnan(y) ? NAN : std::fmin(x, y);
    case ElementwiseOp::multiply:
      return x * y;
    case ElementwiseOp::not_equal:
      return x != y;
    case ElementwiseOp::power:
      return std::pow(x, y);
    case ElementwiseOp::remainder: {
      const double r = std::fmod(x, y);
      return r != 0 && (r < 0) != (y < 0) ? r + y : r;
    }
    case ElementwiseOp::subtract:
      return x - y;
    default:
      throw std::logic_error("not an operation on floats");
  }
}

// Of an integer type T; the result is to be converted to T.
template <class T>
__int128 integer_reference(ElementwiseOp op, __int128 x, __int128 y) {
  constexpr int kWidth = 8 * sizeof(T);
  switch (op) {
    case ElementwiseOp::abs:
      return x < 0 ? -x : x;
    case ElementwiseOp::bitwise_invert:
      return ~x;
    case ElementwiseOp::imag:
      return 0;
    case ElementwiseOp::isfinite:
      return 1;
    case ElementwiseOp::isinf:
    case ElementwiseOp::isnan:
      return 0;
    case ElementwiseOp::logical_not:
      return x == 0;
    case ElementwiseOp::negative:
      return -x;
    case ElementwiseOp::sign:
      return (x > 0) - (x < 0);
    case ElementwiseOp::square:
      return static_cast<__int128>(static_cast<unsigned __int128>(T(x)) * T(x));
    case ElementwiseOp::add:
      return x + y;
    case ElementwiseOp::bitwise_and:
    case ElementwiseOp::logical_and:
      return x & y;
    case ElementwiseOp::bitwise_or:
    case ElementwiseOp::logical_or:
      return x | y;
    case ElementwiseOp::bitwise_xor:
      return x ^ y;
    case ElementwiseOp::equal:
      return x == y;
    case ElementwiseOp::floor_divide:
      return y == 0 ? 0 : x / y;
    case ElementwiseOp::greater:
      return x > y;
    case ElementwiseOp::greater_equal:
      return x >= y;
    case ElementwiseOp::left_shift:
      return y < 0 || y >= kWidth ? 0 : x * (__int128{1} << y);
    case ElementwiseOp::less:
      return x < y;
    case ElementwiseOp::less_equal:
      return x <= y;
    case ElementwiseOp::maximum:
      return x > y ? x : y;
    case ElementwiseOp::minimum:
      return x < y ? x : y;
    case ElementwiseOp::multiply:
      return static_cast<__int128>(static_cast<unsigned __int128>(x) * y);
    case ElementwiseOp::not_equal:
      return x != y;
    case ElementwiseOp::power: {
      if (y < 0) return 0;
      T power = 1;
      const __int128 count = y;
      T square = T(x);
      for (__int128 left = count; left != 0; left /= 2) {
        if (left % 2 != 0) power = T(static_cast<unsigned __int128>(power) * square);
        square = T(static_cast<unsigned __int128>(square) * square);
      }
      return power;
    }
    case ElementwiseOp::remainder:
      return y == 0 ? 0 : ((x % y) + y) % y;
    case ElementwiseOp::right_shift:
      return x >> (y < 0 || y >= kWidth ? 127 : int(y));
    case ElementwiseOp::subtract:
      return x - y;
    default:
      throw std::logic_error("not an operation on integers");
  }
}

// Of bool: the same, but that everything other than 0 is true and ~ means not.
inline bool bool_reference(ElementwiseOp op, bool x, bool y) {
  if (op == ElementwiseOp::bitwise_invert) return !x;
  return integer_reference<uint8_t>(op, x, y) != 0;
}

using Complex = std::complex<double>;

inline bool complex_less(Complex x, Complex y) {
  return x.real() < y.real() || (x.real() == y.real() && x.imag() < y.imag());
}

inline Complex complex_reference(ElementwiseOp op, Complex x, Complex y) {
  switch (op) {
    case ElementwiseOp::abs:
      return std::abs(x);
    case ElementwiseOp::arccos:
      return std::acos(x);
    case ElementwiseOp::arccosh:
      return std::acosh(x);
    case ElementwiseOp::arcsin:
      return std::asin(x);
    case ElementwiseOp::arcsinh:
      return std::asinh(x);
    case ElementwiseOp::arctan:
      return std::atan(x);
    case ElementwiseOp::arctanh:
      return std::atanh(x);
    case ElementwiseOp::conjugate:
      return std::conj(x);
    case ElementwiseOp::cos:
      return std::cos(x);
    case ElementwiseOp::cosh:
      return std::cosh(x);
    case ElementwiseOp::exp:
      return std::exp(x);
    case ElementwiseOp::imag:
      return x.imag();
    case ElementwiseOp::isfinite:
      return std::isfinite(x.real()) && std::isfinite(x.imag());
    case ElementwiseOp::isinf:
      return std::isinf(x.real()) || std::isinf(x.imag());
    case ElementwiseOp::isnan:
      return std::isnan(x.real()) || std::isnan(x.imag());
    case ElementwiseOp::log:
      return std::log(x);
    case ElementwiseOp::log10:
      return std::log10(x);
    case ElementwiseOp::log1p:
      return std::log(1.0 + x);
    case ElementwiseOp::log2:
      return std::log(x) / std::log(2.0);
    case ElementwiseOp::negative:
      return -x;
    case ElementwiseOp::real:
      return x.real();
    case ElementwiseOp::reciprocal:
      return 1.0 / x;
    case ElementwiseOp::round:
      return {std::nearbyint(x.real()), std::nearbyint(x.imag())};
    case ElementwiseOp::rsqrt:
      return 1.0 / std::sqrt(x);
    case ElementwiseOp::sign:
      return x == 0.0 ? 0.0 : x / std::abs(x);
    case ElementwiseOp::sin:
      return std::sin(x);
    case ElementwiseOp::sinh:
      return std::sinh(x);
    case ElementwiseOp::sqrt:
      return std::sqrt(x);
    case ElementwiseOp::square:
      return x * x;
    case ElementwiseOp::tan:
      return std::tan(x);
    case ElementwiseOp::tanh:
      return std::tanh(x);
    case ElementwiseOp::add:
      return x + y;
    case ElementwiseOp::divide:
      return x / y;
    case ElementwiseOp::equal:
      return x == y;
    case ElementwiseOp::greater:
      return complex_less(y, x);
    case ElementwiseOp::greater_equal:
      return complex_less(y, x) || x == y;
    case ElementwiseOp::less:
      return complex_less(x, y);
    case ElementwiseOp::less_equal:
      return complex_less(x, y) || x == y;
    case ElementwiseOp::logaddexp:
      return x.real() < y.real() ? y + std::log(1.0 + std::exp(x - y))
                                 : x + std::log(1.0 + std::exp(y - x));
    case ElementwiseOp::maximum:
      return complex_less(x, y) ? y : x;
    case ElementwiseOp::minimum:
      return complex_less(x, y) ? x : y;
    case ElementwiseOp::multiply:
      return x * y;
    case ElementwiseOp::not_equal:
      return x != y;
    case ElementwiseOp::power:
      if (y == 0.0) return 1.0;
      if (x == 0.0) return y.real() > 0 ? 0.0 : NAN;
      return std::exp(y * std::log(x));
    case ElementwiseOp::subtract:
      return x - y;
    default:
      throw std::logic_error("not an operation on complex numbers");
  }
}

// One unit in the last place of T at magnitude x.
template <class T>
double ulp_at(double x) {
  using Limits = std::numeric_limits<T>;
  if (!std::isfinite(x)) return 0;
  const int exponent = x == 0 ? Limits::min_exponent : std::ilogb(x) + 1;
  return std::ldexp(1.0, std::max(exponent, Limits::min_exponent) - Limits::digits);
}

// T as a double, exactly.
template <class T>
double to_double(T x) {
  if constexpr (HalfType<T>) {
    return double(float(x));
  } else {
    return double(x);
  }
}

// Whether `got` is within `ulp` units of `expected`, or what that is rounded to (infinity past the
// largest T). NaN equals NaN.
template <class T>
bool is_close(T got, double expected, double ulp) {
  const double value = to_double(got);
  if (std::isnan(expected)) return std::isnan(value);
  if (value == to_double(T(float(expected))) || value == expected) return true;
  if constexpr (std::is_same_v<T, double>) ulp += 1;  // the reference has an error of its own
  return std::fabs(value - expected) <= std::max(ulp, 0.501) * ulp_at<T>(expected);
}

// Whether an operation on T may give R.
template <class T, class R>
inline constexpr bool kGives = std::is_same_v<R, T> || std::is_same_v<R, bool> ||
                               (is_complex<T> && std::is_same_v<R, float>) ||
                               (std::is_same_v<T, uint8_t> && std::is_same_v<R, float>) ||
                               (std::is_same_v<T, float> && std::is_same_v<R, uint8_t>);

}  // namespace tarn
