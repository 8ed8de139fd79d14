// Logarithms and what is made of them. See approx.h.
#pragma once

#include "tarn/math/approx.h"
#include "tarn/math/exponential.h"

namespace tarn::math::approx {

// A positive number 2^e (1 + f), with 1 + f in [sqrt(1/2), sqrt(2)).
template <class T>
struct LogParts {
  T e;
  T f;
};

// Of a normal x: 1 + f, and e as an integer.
template <class T>
struct SplitNumber {
  IntOf<T> e;
  T m;
};
template <class T>
TARN_FN SplitNumber<T> split(T x) {
  using Format = FloatFormat<T>;
  using Int = IntOf<T>;
  const Int origin = bits(T(0.70710678118654752));
  const Int shifted = bits(x) - origin;
  return {shifted >> Format::kMantissaBits,
          from_bits((shifted & ((Int(1) << Format::kMantissaBits) - Int(1))) + origin)};
}

template <class T>
TARN_FN LogParts<T> log_parts(T x) {
  using Format = FloatFormat<T>;
  const auto is_subnormal = x < T(Format::kSmallestNormal);
  const auto [e, m] = split(select(is_subnormal, x * T(kIsDouble<T> ? 0x1p52 : 0x1p23), x));
  return {to_float<T>(e) - select(is_subnormal, T(Format::kMantissaBits), T(0)), m - T(1)};
}

// Of 1 + x, which need not be a number of type T.
template <class T>
TARN_FN LogParts<T> log1p_parts(T x) {
  const auto [e, m] = split(T(1) + x);
  const T inverse = power_of_two<T>(-e);  // 1 / 2^e
  // Past the bound 1 is below half an ULP of x, and 1 / 2^e may not be a normal number.
  const T f =
      select(x < T(kIsDouble<T> ? 0x1p60 : 0x1p30), fma(x, inverse, inverse - T(1)), m - T(1));
  return {to_float<T>(e), f};
}

// log(1 + f) = f - f^2 / 2 + f^3 p(f). Float only.
template <class T>
TARN_FN T log_polynomial(T f) {
  return polynomial(f, 0x1.555548p-2f, -0x1.000006p-2f, 0x1.99a4b6p-3f, -0x1.555c4cp-3f,
                    0x1.23376ap-3f, -0x1.fc2218p-4f, 0x1.e6f066p-4f, -0x1.de3bbp-4f,
                    0x1.145736p-4f);
}

// e log(2) + log(1 + f).
template <class T>
TARN_FN T log_of(const LogParts<T>& parts) {
  const auto& [e, f] = parts;
  if constexpr (kIsDouble<T>) {
    // With s = f / (2 + f): log(1 + f) = 2s + s R(s^2) = f - (f^2 / 2 - s (f^2 / 2 + R)).
    const T s = f / (T(2) + f);
    const T z = s * s;
    const T rest = z * polynomial(z, 0x1.5555555555593p-1, 0x1.999999997fb32p-2,
                                  0x1.2492494217951p-2, 0x1.c71c51e8012e5p-3, 0x1.7466462a7f5fep-3,
                                  0x1.39a0f5388df1bp-3, 0x1.2f0d8c6e3a86ep-3);
    const T half_square = T(0.5) * f * f;
    const T correction = fma(s, half_square + rest, e * T(0x1.abc9e3b39803fp-56));
    return fma(e, T(0x1.62e42fefa39efp-1), f - (half_square - correction));
  } else {
    const T square = f * f;
    const T correction = fma(square * f, log_polynomial(f), e * T(-0x1.05c61p-29f));
    return fma(e, T(0x1.62e43p-1f), f + fma(T(-0.5f), square, correction));
  }
}

// `y`, the logarithm of a positive x, but for x that have none or whose logarithm is infinite.
template <class T>
TARN_FN T with_limits_of_log(T x, T y) {
  using Format = FloatFormat<T>;
  y = select(x < T(Format::kInfinity), y, x);
  y = select(x < T(0), T(Format::kNaN), y);
  return select(x == T(0), T(-Format::kInfinity), y);
}

// Float 1 ULP, double 1 ULP, of subnormal arguments too. log(0) is -infinity, log of negative
// numbers NaN.
template <class T>
TARN_FN T log(T x) {
  return with_limits_of_log(x, log_of(log_parts(x)));
}

// A number in two pieces, for products that are exact to more than its type.
template <class T>
struct TwoPieces {
  T high;
  T low;
};

// e * log_of_2 + log(1 + f) * per_log: the logarithm to another base. Float only.
template <class T>
TARN_FN T log_to_base(T x, TwoPieces<T> per_log, TwoPieces<T> log_of_2) {
  const auto [e, f] = log_parts(x);
  const T square = f * f;
  // log(1 + f) as the sum of two floats.
  const T high = fma(T(-0.5f), square, f);
  const T low = fma(square * f, log_polynomial(f), fma(T(-0.5f), square, f - high));
  const T rest = fma(e, log_of_2.low, fma(high, per_log.low, low * per_log.high));
  return with_limits_of_log(x, fma(e, log_of_2.high, fma(high, per_log.high, rest)));
}

// Float only: 1 ULP; exact of powers of 2.
template <class T>
TARN_FN T log2(T x) {
  return log_to_base<T>(x, {T(0x1.715476p+0f), T(0x1.4ae0cp-26f)}, {T(1), T(0)});
}

// Float only: 1 ULP.
template <class T>
TARN_FN T log10(T x) {
  return log_to_base<T>(x, {T(0x1.bcb7b2p-2f), T(-0x1.5b235ep-27f)},
                        {T(0x1.344136p-2f), T(-0x1.ec10cp-27f)});
}

// Float and double 1.5 ULP. Of -1 it is -infinity, below that NaN.
template <class T>
TARN_FN T log1p(T x) {
  using Format = FloatFormat<T>;
  T y = copysign(log_of(log1p_parts(x)), x);  // the sign of zero
  y = select(x < T(Format::kInfinity), y, x);
  y = select(x < T(-1), T(Format::kNaN), y);
  return select(x == T(-1), T(-Format::kInfinity), y);
}

// Past this bound the arguments of arcsinh and arccosh have squares to which 1 adds nothing, and
// the functions are log(2 |x|).
inline constexpr float kLargeForInverse = 0x1p13f;

// Float only: 2 ULP.
template <class T>
TARN_FN T asinh(T x) {
  const T magnitude = abs(x);
  const T square = magnitude * magnitude;
  const auto is_large = magnitude > T(kLargeForInverse);
  const T above_one = magnitude + square / (T(1) + sqrt(T(1) + square));
  LogParts<T> parts = log1p_parts(select(is_large, magnitude - T(1), above_one));
  parts.e = parts.e + select(is_large, T(1), T(0));
  const T y = select(magnitude < T(FloatFormat<T>::kInfinity), log_of(parts), magnitude);
  return copysign(y, x);
}

// Float only: 2 ULP. NaN below 1.
template <class T>
TARN_FN T acosh(T x) {
  const T t = x - T(1);
  const auto is_large = x > T(kLargeForInverse);
  LogParts<T> parts = log1p_parts(select(is_large, t, t + sqrt(fma(t, t, t + t))));
  parts.e = parts.e + select(is_large, T(1), T(0));
  const T y = select(x < T(FloatFormat<T>::kInfinity), log_of(parts), x);
  return select(x < T(1), T(FloatFormat<T>::kNaN), y);
}

// Float only: 2.5 ULP. Infinite of 1 and -1, NaN beyond.
template <class T>
TARN_FN T atanh(T x) {
  const T magnitude = abs(x);
  return copysign(T(0.5f) * log1p((magnitude + magnitude) / (T(1) - magnitude)), x);
}

// log(exp(x) + exp(y)): 2 ULP of the larger operand, if not of the result.
template <class T>
TARN_FN T logaddexp(T x, T y) {
  const T distance = select(x == y, T(0), abs(x - y));  // infinities are none from themselves
  // Past the bound the exponential is nothing beside either; subnormal, it would be slow besides.
  const T bound(kIsDouble<T> ? 700 : 80);
  const auto is_near = !(distance > bound);
  const T ratio = exp_of_small(-select(is_near, distance, bound));
  return max(x, y) + log1p(select(is_near, ratio, T(0)));
}

// The base-2 logarithm of 2^e (1 + f) as the sum of two floats, to about 2^-31 of its size.
template <class T>
TARN_FN TwoPieces<T> log2_in_two(const LogParts<T>& parts) {
  const auto& [e, f] = parts;
  // With s = f / (2 + f), in two floats: log2(1 + f) = 2 / log(2) s + s^3 p(s^2).
  const T divisor = T(2) + f;
  const T inverse = T(1) / divisor;
  const T s = f * inverse;
  const T divisor_low = f - (divisor - T(2));
  const T s_low = fma(-s, divisor_low, fma(-s, divisor, f)) * inverse;
  const T z = s * s;
  const T q = polynomial(z, 0x1.277768p-1f, 0x1.a5963cp-2f, 0x1.5c6492p-2f);
  const T c0(0x1.ec709ep-1f);
  const T p = fma(z, q, c0);
  const T p_low = fma(z, q, c0 - p) + T(-0x1.e2fe02p-28f);
  const T cube = s * z;
  const T cube_low = fma(T(3) * z, s_low, fma(s, fma(s, s, -z), fma(s, z, -cube)));
  const T term = cube * p;
  const T term_low = fma(cube_low, p, fma(cube, p_low, fma(cube, p, -term)));
  const T product = s * T(0x1.715476p+1f);
  const T product_low =
      fma(s, T(0x1.715476p+1f), -product) + fma(s, T(0x1.4ae0cp-25f), s_low * T(0x1.715476p+1f));
  const T sum = e + product;
  return {sum, (e - sum) + product + (term + (term_low + product_low))};
}

template <class T>
TARN_FN TwoPieces<T> operator*(TwoPieces<T> x, T y) {
  const T product = x.high * y;
  return {product, fma(x.low, y, fma(x.high, y, -product))};
}

// 2^(high + low). Requires: |high| is below 2^15, |low| at most 2, or one of them NaN.
template <class T>
TARN_FN ScaledExp<T> scaled_exp2(TwoPieces<T> x) {
  const T sum = x.high + x.low;
  const T magic(FloatFormat<T>::kIntegerMagic);
  const T shifted = sum + magic;
  const T r = (sum - (shifted - magic)) + ((x.high - sum) + x.low);
  // 2^r = 1 + r p(r)
  const T p = polynomial(r, 0x1.62e43p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f, 0x1.3b2d4ep-7f,
                         0x1.5f3e8p-10f, 0x1.41fb9ep-13f);
  return {fma(r, p, T(1)), bits(shifted) - bits(magic)};
}

// Float only: 2 ULP.
template <class T>
TARN_FN T pow(T x, T y) {
  using Format = FloatFormat<T>;
  const T magnitude = abs(x);
  TwoPieces<T> log = log2_in_two(log_parts(magnitude));
  TwoPieces<T> exponent = log * y;
  // Where x is positive and neither infinite nor NaN, and the result a normal number, nothing below
  // would change it.
  if (all((x > T(0)) & (x < T(Format::kInfinity)) & (abs(exponent.high) < T(125)))) {
    const auto [p, n] = scaled_exp2(exponent);
    return p * power_of_two<T>(n);
  }
  // The logarithms of 0 and infinity; NaN stays.
  log.high = select(magnitude < T(Format::kInfinity), log.high, magnitude);
  log.high = select(x == T(0), T(-Format::kInfinity), log.high);
  exponent = log * y;
  const auto is_large = abs(exponent.high) > T(200);  // then exponent.low may be NaN
  exponent = {select(is_large, copysign(T(200), exponent.high), exponent.high),
              select(is_large, T(0), exponent.low)};
  const auto [p, n] = scaled_exp2(exponent);
  const T half = y * T(0.5f);
  const auto is_integer = trunc(y) == y;
  const auto is_odd = is_integer & (trunc(half) != half);
  T r = copysign(scale(p, n), select(is_odd, x, T(0)));
  // A negative base has a real power only for integer exponents; infinities of either are such, by
  // convention.
  r = select((x < T(0)) & !is_integer & (x >= T(-__FLT_MAX__)), T(Format::kNaN), r);
  const auto is_unit = magnitude == T(1);
  const auto is_infinite = abs(y) == T(Format::kInfinity);
  return select((x == T(1)) | (y == T(0)) | (is_unit & is_infinite), T(1), r);
}

}  // namespace tarn::math::approx
