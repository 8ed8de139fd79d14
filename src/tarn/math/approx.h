// Elementary functions, written once for scalars and packs in the vocabulary of scalar.h.
//
// Polynomials are minimax fits (Remez in 50 digits) of the function named beside them. Every step
// is one correctly rounded operation, fused only where fma says so, so that scalar, AVX2 and
// AVX-512 agree to the last bit. Errors in ULP are the largest seen: over all floats for float,
// over 10^8 random arguments for double.
#pragma once

#include "tarn/math/scalar.h"

namespace tarn::math::approx {

template <class T>
inline constexpr bool kIsDouble = sizeof(LaneOf<T>) == 8;

// c0 + c1 x + c2 x^2 + …, by Horner.
template <class T, class C>
TARN_FN T polynomial(T x, C c0) {
  (void)x;
  return T(c0);
}
template <class T, class C, class... Rest>
TARN_FN T polynomial(T x, C c0, C c1, Rest... rest) {
  return fma(polynomial(x, c1, rest...), x, T(c0));
}

// Adding 1.5 * 2^mantissa_bits rounds a small number to an integer and leaves that integer in the
// low bits: a conversion in both directions that AVX2 has for 64-bit lanes too.
template <class T>
struct FloatFormat {
  static constexpr int kMantissaBits = kIsDouble<T> ? 52 : 23;
  static constexpr int kExponentBias = kIsDouble<T> ? 1023 : 127;
  static constexpr LaneOf<T> kIntegerMagic = kIsDouble<T> ? 0x1.8p52 : 0x1.8p23;
  static constexpr LaneOf<T> kSmallestNormal = kIsDouble<T> ? 0x1p-1022 : 0x1p-126f;
  static constexpr LaneOf<T> kInfinity = __builtin_inff();
  static constexpr LaneOf<T> kNaN = __builtin_nanf("");
};

template <class T>
TARN_FN T to_float(IntOf<T> n) {
  const T magic(FloatFormat<T>::kIntegerMagic);
  return from_bits(n + bits(magic)) - magic;
}

template <class T>
TARN_FN T power_of_two(IntOf<T> n) {
  using Format = FloatFormat<T>;
  return from_bits((n + IntOf<T>(Format::kExponentBias)) << Format::kMantissaBits);
}

// exp(x) = p * 2^n, with p within sqrt(2) of 1.
template <class T>
struct ScaledExp {
  T p;
  IntOf<T> n;
};

// Requires: |x| below 2^15.
template <class T>
TARN_FN ScaledExp<T> scaled_exp(T x) {
  const T magic(FloatFormat<T>::kIntegerMagic);
  const T shifted = fma(x, T(1.4426950408889634), magic);  // x / ln 2
  const T n = shifted - magic;
  T r, p;  // exp(r) = 1 + r + r^2 p
  if constexpr (kIsDouble<T>) {
    r = fma(n, T(-0x1.62e42fefa39efp-1), x);
    r = fma(n, T(-0x1.abc9e3b39803fp-56), r);
    p = polynomial(r, 0x1p-1, 0x1.555555555555bp-3, 0x1.5555555555503p-5, 0x1.111111110ec5dp-7,
                   0x1.6c16c16c3047cp-10, 0x1.a01a01b37e2fap-13, 0x1.a01a01369405ap-16,
                   0x1.71ddf020e16fdp-19, 0x1.27e5b43d24702p-22, 0x1.af6be7c4a12d2p-26,
                   0x1.1e3d3a8e74b52p-29);
  } else {
    r = fma(n, T(-0x1.62e43p-1f), x);
    r = fma(n, T(0x1.05c61p-29f), r);
    p = polynomial(r, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e4p-7f,
                   0x1.6a244ap-10f);
  }
  return {T(1) + fma(r * r, p, r), bits(shifted) - bits(magic)};
}

// Of any x: float 1 ULP, double 1 ULP, subnormal results included.
template <class T>
TARN_FN T exp(T x) {
  // Beyond these the result is 0 or infinity. Selecting, unlike min and max, keeps NaN.
  const T low(kIsDouble<T> ? -746.0 : -104.0);
  const T high(kIsDouble<T> ? 710.0 : 89.0);
  x = select(x < low, low, select(x > high, high, x));
  const auto [p, n] = scaled_exp(x);
  // In two steps, because 2^n alone can overflow or underflow; only the second rounds.
  const auto half = n >> 1;
  return p * power_of_two<T>(half) * power_of_two<T>(n - half);
}

// exp without the extremes. Requires: the result is a normal number, or x is NaN.
template <class T>
TARN_FN T exp_of_small(T x) {
  const auto [p, n] = scaled_exp(x);
  return p * power_of_two<T>(n);
}

// Float 1 ULP, double 1 ULP, of subnormal arguments too. log(0) is -infinity, log of negative
// numbers NaN.
template <class T>
TARN_FN T log(T x) {
  using Format = FloatFormat<T>;
  using Int = IntOf<T>;
  const auto is_subnormal = x < T(Format::kSmallestNormal);
  const T scaled = select(is_subnormal, x * T(kIsDouble<T> ? 0x1p52 : 0x1p23), x);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  const Int origin = bits(T(0.70710678118654752));
  const Int shifted = bits(scaled) - origin;
  const T m = from_bits((shifted & ((Int(1) << Format::kMantissaBits) - Int(1))) + origin);
  const T e = to_float<T>(shifted >> Format::kMantissaBits) -
              select(is_subnormal, T(Format::kMantissaBits), T(0));
  const T f = m - T(1);
  T y;
  if constexpr (kIsDouble<T>) {
    // With s = f / (2 + f): log(1 + f) = 2s + s R(s^2) = f - (f^2 / 2 - s (f^2 / 2 + R)).
    const T s = f / (T(2) + f);
    const T z = s * s;
    const T rest = z * polynomial(z, 0x1.5555555555593p-1, 0x1.999999997fb32p-2,
                                  0x1.2492494217951p-2, 0x1.c71c51e8012e5p-3, 0x1.7466462a7f5fep-3,
                                  0x1.39a0f5388df1bp-3, 0x1.2f0d8c6e3a86ep-3);
    const T half_square = T(0.5) * f * f;
    const T correction = fma(s, half_square + rest, e * T(0x1.abc9e3b39803fp-56));
    y = fma(e, T(0x1.62e42fefa39efp-1), f - (half_square - correction));
  } else {
    // log(1 + f) = f - f^2 / 2 + f^3 p(f).
    const T square = f * f;
    const T p =
        polynomial(f, 0x1.555548p-2f, -0x1.000006p-2f, 0x1.99a4b6p-3f, -0x1.555c4cp-3f,
                   0x1.23376ap-3f, -0x1.fc2218p-4f, 0x1.e6f066p-4f, -0x1.de3bbp-4f, 0x1.145736p-4f);
    const T correction = fma(square * f, p, e * T(-0x1.05c61p-29f));
    y = fma(e, T(0x1.62e43p-1f), f + fma(T(-0.5f), square, correction));
  }
  y = select(x < T(Format::kInfinity), y, x);
  y = select(x < T(0), T(Format::kNaN), y);
  return select(x == T(0), T(-Format::kInfinity), y);
}

// The argument of sin and cos, reduced: |x| = quadrant * pi/2 + r, |r| <= pi/4. Float only.
template <class T>
struct ReducedAngle {
  T r;
  IntOf<T> quadrant;
};

// Up to this magnitude pi/2 in three floats leaves less than 2^-50 of absolute error.
inline constexpr float kLargestFastAngle = 0x1p17f;

template <class T>
TARN_FN ReducedAngle<T> reduce_angle(T magnitude) {
  const T magic(FloatFormat<T>::kIntegerMagic);
  const T shifted = fma(magnitude, T(0x1.45f306p-1f), magic);  // 2/pi
  const T n = shifted - magic;
  T r = fma(n, T(-0x1.921fb6p+0f), magnitude);
  r = fma(n, T(0x1.777a5cp-25f), r);
  r = fma(n, T(0x1.ee59dap-50f), r);
  return {r, bits(shifted) - bits(magic)};
}

// sin(r + quadrant * pi/2).
template <class T>
TARN_FN T sin_of_reduced(T r, IntOf<T> quadrant) {
  const T z = r * r;
  const T sin_r = fma(r * z, polynomial(z, -0x1.555546p-3f, 0x1.11075cp-7f, -0x1.994cfap-13f), r);
  const T cos_r = fma(z * z, polynomial(z, 0x1.55554ap-5f, -0x1.6c0c86p-10f, 0x1.9a00cep-16f),
                      fma(T(-0.5f), z, T(1)));
  const auto is_odd = from_bits((quadrant & IntOf<T>(1)) << 30) != T(0);
  const T magnitude = select(is_odd, cos_r, sin_r);
  return from_bits(bits(magnitude) ^ ((quadrant & IntOf<T>(2)) << 30));
}

// 2 ULP, up to kLargestFastAngle; beyond it the C library's.
template <class T>
TARN_FN T sin(T x) {
  const T magnitude = abs(x);
  const auto [r, quadrant] = reduce_angle(magnitude);
  const T y = sin_of_reduced(r, quadrant);
  const T signed_y = from_bits(bits(y) ^ (bits(x) ^ bits(magnitude)));
  return replace_where(
      !(magnitude <= T(kLargestFastAngle)), signed_y, [](float lane) { return ::sinf(lane); }, x);
}

template <class T>
TARN_FN T cos(T x) {
  const T magnitude = abs(x);
  const auto [r, quadrant] = reduce_angle(magnitude);
  const T y = sin_of_reduced(r, quadrant + IntOf<T>(1));
  return replace_where(
      !(magnitude <= T(kLargestFastAngle)), y, [](float lane) { return ::cosf(lane); }, x);
}

// Float only: 2 ULP.
template <class T>
TARN_FN T tanh(T x) {
  const T magnitude = abs(x);
  const T z = magnitude * magnitude;
  const T p = polynomial(z, -0x1.555552p-2f, 0x1.111026p-3f, -0x1.b9e19p-5f, 0x1.62fb4p-6f,
                         -0x1.09286p-7f, 0x1.0e9ebep-9f);
  const T near_zero = fma(magnitude * z, p, magnitude);  // tanh(m) = m + m^3 p(m^2)
  const T bounded = select(magnitude > T(10), T(10), magnitude);
  const T far = T(1) - T(2) / (exp_of_small(bounded + bounded) + T(1));
  return copysign(select(magnitude < T(0.65f), near_zero, far), x);
}

// Float and double 2.5 ULP, subnormal results included: no form divides by an overflowed
// exponential.
template <class T>
TARN_FN T sigmoid(T x) {
  const T e = exp(-abs(x));
  return select(x < T(0), e, T(1)) / (T(1) + e);
}

// Float only: 1 ULP.
template <class T>
TARN_FN T erf(T x) {
  const T magnitude = abs(x);
  const T z = magnitude * magnitude;
  // erf(m) = m + m p(m^2)
  const T p = polynomial(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90ep-6f,
                         0x1.5405b2p-8f, -0x1.a3f702p-11f, 0x1.496a36p-14f);
  const T near_zero = fma(magnitude, p, magnitude);
  // 1 - erf(m) = exp(-q(m)); past the bound it is below half an ULP of 1.
  const T bounded = select(magnitude > T(3.95f), T(3.95f), magnitude);
  const T q = polynomial(bounded, -0x1.8a5742p-13f, 0x1.212c0cp+0f, 0x1.443566p-1f, 0x1.bc1516p-4f,
                         -0x1.9d0302p-6f, 0x1.138cbap-8f, -0x1.cec5fcp-12f, 0x1.6bd7dep-16f);
  const T far = T(1) - exp_of_small(-q);
  return copysign(select(magnitude < T(1), near_zero, far), x);
}

// Float only: correctly rounded but for ties that the last bits of double decide.
template <class T>
TARN_FN T pow(T x, T y) {
  using Format = FloatFormat<T>;
  const T magnitude =
      in_double([](auto base, auto exponent) { return exp(exponent * log(abs(base))); }, x, y);
  const T half = y * T(0.5f);
  const auto is_integer = trunc(y) == y;
  const auto is_odd = is_integer & (trunc(half) != half);
  const auto is_negative = copysign(T(1), x) < T(0);
  T r = select(is_odd & is_negative, -magnitude, magnitude);
  // A negative base has a real power only for integer exponents; infinities of either are such, by
  // convention.
  r = select((x < T(0)) & !is_integer & (x >= T(-__FLT_MAX__)), T(Format::kNaN), r);
  r = select((x == T(1)) | (y == T(0)), T(1), r);
  return select((x == T(-1)) & (abs(y) == T(Format::kInfinity)), T(1), r);
}

}  // namespace tarn::math::approx
