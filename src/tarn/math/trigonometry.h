// Trigonometric functions and their inverses. See approx.h.
#pragma once

#include "tarn/math/approx.h"

namespace tarn::math::approx {

// The argument of sin, cos and tan, reduced: |x| = quadrant * pi/2 + r, |r| <= pi/4. Float only.
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

// 3 ULP, as sin.
template <class T>
TARN_FN T tan(T x) {
  const T magnitude = abs(x);
  const auto [r, quadrant] = reduce_angle(magnitude);
  const T z = r * r;
  // tan(r) = r + r^3 p(r^2)
  const T p = polynomial(z, 0x1.55556p-2f, 0x1.110d8ap-3f, 0x1.badc74p-5f, 0x1.5ca9aep-6f,
                         0x1.6332ecp-7f, 0x1.61b4d6p-14f, 0x1.1ef9e6p-8f);
  const T tan_r = fma(r * z, p, r);
  const auto is_odd = from_bits((quadrant & IntOf<T>(1)) << 30) != T(0);
  const T y = select(is_odd, T(-1) / tan_r, tan_r);
  const T signed_y = from_bits(bits(y) ^ (bits(x) ^ bits(magnitude)));
  return replace_where(
      !(magnitude <= T(kLargestFastAngle)), signed_y, [](float lane) { return ::tanf(lane); }, x);
}

// pi and pi/2 in two floats each.
inline constexpr float kPi = 0x1.921fb6p+1f;
inline constexpr float kPiLow = -0x1.777a5cp-24f;
inline constexpr float kHalfPi = 0x1.921fb6p+0f;
inline constexpr float kHalfPiLow = -0x1.777a5cp-25f;

// arcsin(t) = t + t^3 p(t^2), |t| <= 1/2: p of z = t^2.
template <class T>
TARN_FN T arcsin_polynomial(T z) {
  return polynomial(z, 0x1.5555c8p-3f, 0x1.3301e4p-4f, 0x1.747e4ap-5f, 0x1.8c283cp-6f,
                    0x1.596d28p-5f);
}

// Float only: 2 ULP. NaN beyond -1 and 1.
template <class T>
TARN_FN T asin(T x) {
  const T magnitude = abs(x);
  const auto is_large = magnitude > T(0.5f);
  // Of the large ones by arcsin(m) = pi/2 - 2 arcsin(sqrt((1 - m) / 2)).
  const T z = select(is_large, T(0.5f) - T(0.5f) * magnitude, magnitude * magnitude);
  const T root = sqrt(z);
  const T t = select(is_large, root, magnitude);
  const T p = arcsin_polynomial(z);
  const T cubic = t * z * p;
  // Half of what the root lacks of its square, over the root: next to pi/2 that loses a bit.
  const T lost = fma(-root, root, z) / (root + T(0x1p-60f));
  const T of_large = (T(kHalfPi) - (root + root)) - (lost + (cubic + cubic) - T(kHalfPiLow));
  return copysign(select(is_large, of_large, fma(t * z, p, t)), x);
}

// Float only: 1.5 ULP. NaN beyond -1 and 1.
template <class T>
TARN_FN T acos(T x) {
  const T magnitude = abs(x);
  const auto is_large = magnitude > T(0.5f);
  const T z = select(is_large, T(0.5f) - T(0.5f) * magnitude, magnitude * magnitude);
  const T t = select(is_large, sqrt(z), x);
  const T v = fma(t * z, arcsin_polynomial(z), t);
  const T of_large = select(x < T(0), T(kPi) - (v + v - T(kPiLow)), v + v);
  return select(is_large, of_large, T(kHalfPi) - (v - T(kHalfPiLow)));
}

// The angle of the point (x, y) for y >= 0, where x is `magnitude`, negative if `is_negative`.
template <class T, class Truth>
TARN_FN T angle_of(T y, T magnitude, Truth is_negative) {
  const auto is_steep = y > magnitude;
  const T shorter = select(is_steep, magnitude, y);
  const T longer = select(is_steep, y, magnitude);
  // Two zeros are at angle 0, two infinities at pi/4.
  const T diagonal = select(longer == T(0), T(0), T(1));
  const T t = select(shorter == longer, diagonal, shorter / longer);
  const T z = t * t;
  // arctan(t) = t + t^3 p(t^2), t <= 1
  const T p =
      polynomial(z, -0x1.55553ep-2f, 0x1.9991fep-3f, -0x1.2421b6p-3f, 0x1.c09a08p-4f,
                 -0x1.5834aap-4f, 0x1.daca2ap-5f, -0x1.fed1d2p-6f, 0x1.65a6cp-7f, -0x1.d6308p-10f);
  const T v = fma(t * z, p, t);
  const T from_axis = select(is_steep != is_negative, -v, v);
  const T axis = select(is_steep, T(kHalfPi), select(is_negative, T(kPi), T(0)));
  const T axis_low = select(is_steep, T(kHalfPiLow), select(is_negative, T(kPiLow), T(0)));
  return axis + (from_axis + axis_low);
}

// Float only: 1.5 ULP.
template <class T>
TARN_FN T atan(T x) {
  return copysign(angle_of(abs(x), T(1), x != x), x);
}

// The angle of the point (x, y). Float only: 2 ULP.
template <class T>
TARN_FN T atan2(T y, T x) {
  return copysign(angle_of(abs(y), abs(x), copysign(T(1), x) < T(0)), y);
}

}  // namespace tarn::math::approx
