// The exponential and what is made of it. See approx.h.
#pragma once

#include "tarn/math/approx.h"

namespace tarn::math::approx {

// x = n ln 2 + r, |r| <= ln(2) / 2. Requires: |x| below 2^15.
template <class T>
struct ReducedExponent {
  T r;
  IntOf<T> n;
};

template <class T>
TARN_FN ReducedExponent<T> reduce_exponent(T x) {
  const T magic(FloatFormat<T>::kIntegerMagic);
  const T shifted = fma(x, T(1.4426950408889634), magic);  // x / ln 2
  const T n = shifted - magic;
  T r;
  if constexpr (kIsDouble<T>) {
    r = fma(n, T(-0x1.62e42fefa39efp-1), x);
    r = fma(n, T(-0x1.abc9e3b39803fp-56), r);
  } else {
    r = fma(n, T(-0x1.62e43p-1f), x);
    r = fma(n, T(0x1.05c61p-29f), r);
  }
  return {r, bits(shifted) - bits(magic)};
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
  const auto [r, n] = reduce_exponent(x);
  T p;  // exp(r) = 1 + r + r^2 p
  if constexpr (kIsDouble<T>) {
    p = polynomial(r, 0x1p-1, 0x1.555555555555bp-3, 0x1.5555555555503p-5, 0x1.111111110ec5dp-7,
                   0x1.6c16c16c3047cp-10, 0x1.a01a01b37e2fap-13, 0x1.a01a01369405ap-16,
                   0x1.71ddf020e16fdp-19, 0x1.27e5b43d24702p-22, 0x1.af6be7c4a12d2p-26,
                   0x1.1e3d3a8e74b52p-29);
  } else {
    p = polynomial(r, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e4p-7f,
                   0x1.6a244ap-10f);
  }
  return {T(1) + fma(r * r, p, r), n};
}

// Of any x: float 1 ULP, double 1 ULP, subnormal results included.
template <class T>
TARN_FN T exp(T x) {
  // Beyond these the result is 0 or infinity. Selecting, unlike min and max, keeps NaN.
  const T low(kIsDouble<T> ? -746.0 : -104.0);
  const T high(kIsDouble<T> ? 710.0 : 89.0);
  x = select(x < low, low, select(x > high, high, x));
  const auto [p, n] = scaled_exp(x);
  return scale(p, n);
}

// exp without the extremes. Requires: the result is a normal number, or x is NaN.
template <class T>
TARN_FN T exp_of_small(T x) {
  const auto [p, n] = scaled_exp(x);
  return p * power_of_two<T>(n);
}

// Float only: 1.5 ULP.
template <class T>
TARN_FN T expm1(T x) {
  const T bounded = select(x < T(-20), T(-20), select(x > T(89), T(89), x));
  const auto [r, n] = reduce_exponent(bounded);
  const T p = polynomial(r, 0x1p-1f, 0x1.555554p-3f, 0x1.5554bp-5f, 0x1.11118ap-7f, 0x1.6d724p-10f,
                         0x1.a032c4p-13f);
  const T q = fma(r * r, p, r);  // expm1(r)
  // exp(x) - 1 = 2^n ((1 + q) - one). The sum goes from small to large: of small x that is q, of
  // large x 1 - one would be rounded. Past the bound it is nothing beside 1.
  const T one = select(x > T(40), T(0), power_of_two<T>(-n));
  const T sum = select(x > T(4), T(1) + (q - one), q + (T(1) - one));
  return copysign(scale(sum, n), x);
}

// exp(x) / 2 of x >= 0, as large as a float can be: exp(x) itself may overflow.
template <class T>
TARN_FN T half_exp(T x) {
  const auto [p, n] = scaled_exp(select(x > T(90), T(90), x));
  return scale(p, n - IntOf<T>(1));
}

// Float only: 1.5 ULP.
template <class T>
TARN_FN T cosh(T x) {
  const T half = half_exp(abs(x));
  return half + T(0.25f) / half;
}

// Float only: 2 ULP.
template <class T>
TARN_FN T sinh(T x) {
  const T magnitude = abs(x);
  const T z = magnitude * magnitude;
  // sinh(m) = m + m^3 p(m^2)
  const T p = polynomial(z, 0x1.555556p-3f, 0x1.111134p-7f, 0x1.9ffe92p-13f, 0x1.7a15b4p-19f);
  const T near_zero = fma(magnitude * z, p, magnitude);
  const T half = half_exp(magnitude);
  return copysign(select(magnitude < T(1), near_zero, half - T(0.25f) / half), x);
}

// Float only: 1.5 ULP.
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

}  // namespace tarn::math::approx
