// The vocabulary that formulas are written in, for scalars. Packs (pack.h) have the same names in
// their own namespace, where argument-dependent lookup finds them; CUDA uses these.
#pragma once

#include "tarn/base/fn.h"

#if !defined(__CUDACC_RTC__)
#include <math.h>
#include <stdint.h>
#endif

namespace tarn::math {

template <class T>
inline constexpr bool kIsFloat = false;
template <>
inline constexpr bool kIsFloat<float> = true;
template <>
inline constexpr bool kIsFloat<double> = true;

// What T is made of (a scalar of itself, a pack of its lanes), and the integer or float type of the
// same shape.
template <class T>
struct Numeric {
  using Lane = T;
};
template <>
struct Numeric<float> {
  using Lane = float;
  using Int = int32_t;
};
template <>
struct Numeric<double> {
  using Lane = double;
  using Int = int64_t;
};
template <>
struct Numeric<int32_t> {
  using Lane = int32_t;
  using Float = float;
};
template <class T>
using LaneOf = typename Numeric<T>::Lane;
template <class T>
using IntOf = typename Numeric<T>::Int;
template <class T>
using FloatOf = typename Numeric<T>::Float;

TARN_FN int32_t bits(float x) { return __builtin_bit_cast(int32_t, x); }
TARN_FN int64_t bits(double x) { return __builtin_bit_cast(int64_t, x); }
TARN_FN float from_bits(int32_t x) { return __builtin_bit_cast(float, x); }
TARN_FN double from_bits(int64_t x) { return __builtin_bit_cast(double, x); }

// a * b + c, rounded once.
TARN_FN float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
TARN_FN double fma(double a, double b, double c) { return ::fma(a, b, c); }

TARN_FN float sqrt(float x) { return ::sqrtf(x); }
TARN_FN double sqrt(double x) { return ::sqrt(x); }
TARN_FN float trunc(float x) { return ::truncf(x); }
TARN_FN double trunc(double x) { return ::trunc(x); }

TARN_FN float floor(float x) { return ::floorf(x); }
TARN_FN double floor(double x) { return ::floor(x); }
TARN_FN float ceil(float x) { return ::ceilf(x); }
TARN_FN double ceil(double x) { return ::ceil(x); }
// Requires: the rounding mode is to nearest, as it is unless a program changed it.
TARN_FN float round_even(float x) { return ::rintf(x); }
TARN_FN double round_even(double x) { return ::rint(x); }
TARN_FN float abs(float x) { return ::fabsf(x); }
TARN_FN double abs(double x) { return ::fabs(x); }
template <class T>
TARN_FN T abs(T x) {
  if constexpr (T(-1) < T(0)) {
    return x < 0 ? T(0 - uint64_t(x))
                 : x;  // unsigned arithmetic: the smallest integer is its own magnitude
  } else {
    return x;
  }
}

template <class T>
TARN_FN T select(bool condition, T x, T y) {
  return condition ? x : y;
}

// Whether a condition holds in every lane: of a scalar, whether it holds.
TARN_FN bool all(bool condition) { return condition; }

// NaN where either is NaN.
template <class T>
TARN_FN T max(T x, T y) {
  if constexpr (kIsFloat<T>) {
    if (x != x) return x;
  }
  return x > y ? x : y;
}
template <class T>
TARN_FN T min(T x, T y) {
  if constexpr (kIsFloat<T>) {
    if (x != x) return x;
  }
  return x < y ? x : y;
}

TARN_FN float copysign(float magnitude, float sign) { return ::copysignf(magnitude, sign); }
TARN_FN double copysign(double magnitude, double sign) { return ::copysign(magnitude, sign); }

// `y`, but f(x) where `rare` holds: for arguments outside the range of a formula. Of a pack, f sees
// one lane at a time.
template <class T, class F>
TARN_FN T replace_where(bool rare, T y, F f, T x) {
  return rare ? f(x) : y;
}
template <class T, class F>
TARN_FN T replace_where(bool rare, T r, F f, T x, T y) {
  return rare ? f(x, y) : r;
}

}  // namespace tarn::math
