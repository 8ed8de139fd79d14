// What the elementary functions of exponential.h, logarithm.h, trigonometry.h and error_function.h
// share. They are written once for scalars and packs, in the vocabulary of scalar.h.
//
// Polynomials are minimax fits (Remez in 50 digits) of the function named beside them. Every step
// is one correctly rounded operation, fused only where fma says so, so that scalar, AVX2 and
// AVX-512 agree to the last bit. Bounds of the error in ULP are those that tests hold them to;
// docs/accuracy.md has what was measured.
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

// p * 2^n. In two steps, because 2^n alone can overflow or underflow; only the second rounds.
template <class T>
TARN_FN T scale(T p, IntOf<T> n) {
  const IntOf<T> half = n >> 1;
  return p * power_of_two<T>(half) * power_of_two<T>(n - half);
}

}  // namespace tarn::math::approx
