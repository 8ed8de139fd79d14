// float16_t (IEEE binary16) and bfloat16_t: 16-bit storage types that compute by way of float.
//
// Conversion from float rounds to nearest, ties to even; NaNs keep sign and leading payload bits
// and become quiet. That is what the F16C and AVX-512 instructions do, so scalar and SIMD code
// agree bit for bit.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tarn/base/fn.h"

namespace tarn {

namespace half_detail {

TARN_FN constexpr uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
TARN_FN constexpr float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

inline constexpr uint32_t kFloatSign = 0x8000'0000u;
inline constexpr uint32_t kFloatInfinity = 0x7f80'0000u;
// float's exponent bias less binary16's, at the place of float's exponent.
inline constexpr uint32_t kRebias = (127 - 15) << 23;

TARN_FN constexpr float float_from_float16(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude < 0x0400u) {  // zero or subnormal: a count of 2^-24, exact in float
    return float_of(sign | bits_of(float(magnitude) * 0x1p-24f));
  }
  if (magnitude >= 0x7c00u) {
    const uint32_t quiet = magnitude > 0x7c00u ? 0x0040'0000u : 0u;
    return float_of(sign | kFloatInfinity | quiet | (magnitude & 0x03ffu) << 13);
  }
  return float_of(sign | ((magnitude << 13) + kRebias));
}

TARN_FN constexpr uint16_t float16_from_float(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t sign = (bits & kFloatSign) >> 16;
  uint32_t magnitude = bits & ~kFloatSign;
  if (magnitude > kFloatInfinity) return uint16_t(sign | 0x7e00u | (magnitude >> 13 & 0x03ffu));
  if (magnitude >= bits_of(65536.0f)) return uint16_t(sign | 0x7c00u);
  if (magnitude < bits_of(0x1p-14f)) {
    // The subnormals are spaced 2^-24 apart, as are the floats next to 0.5: adding 0.5 rounds to
    // their grid.
    return uint16_t(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
  }
  magnitude += 0x0fffu + (magnitude >> 13 &
                          1u);  // a carry out of the mantissa is the right result, up to infinity
  return uint16_t(sign | (magnitude - kRebias) >> 13);
}

TARN_FN constexpr float float_from_bfloat16(uint16_t bits) {
  return float_of(uint32_t(bits) << 16);
}

TARN_FN constexpr uint16_t bfloat16_from_float(float x) {
  const uint32_t bits = bits_of(x);
  if ((bits & ~kFloatSign) > kFloatInfinity) return uint16_t(bits >> 16 | 0x0040u);
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace half_detail

struct float16_t {
  uint16_t bits_;

  float16_t() = default;
  TARN_FN constexpr float16_t(float x) : bits_(half_detail::float16_from_float(x)) {}
  TARN_FN constexpr operator float() const { return half_detail::float_from_float16(bits_); }
  TARN_FN static constexpr float16_t from_bits(uint16_t bits) {
    float16_t h(0.0f);
    h.bits_ = bits;
    return h;
  }
};

struct bfloat16_t {
  uint16_t bits_;

  bfloat16_t() = default;
  TARN_FN constexpr bfloat16_t(float x) : bits_(half_detail::bfloat16_from_float(x)) {}
  TARN_FN constexpr operator float() const { return half_detail::float_from_bfloat16(bits_); }
  TARN_FN static constexpr bfloat16_t from_bits(uint16_t bits) {
    bfloat16_t h(0.0f);
    h.bits_ = bits;
    return h;
  }
};

template <class T>
concept HalfType = std::same_as<T, float16_t> || std::same_as<T, bfloat16_t>;

template <class T>
inline constexpr bool is_floating_point_v = std::is_floating_point_v<T> || HalfType<T>;
template <class T>
inline constexpr bool is_signed_v = std::is_signed_v<T> || HalfType<T>;

// Arithmetic as in MLX: a half with a half of its type or an integer stays a half, with float or
// double it takes that type, and the two half types meet in float.
#define TARN_HALF_ARITHMETIC(op)                                                                  \
  template <HalfType H>                                                                           \
  TARN_FN constexpr H operator op(H a, H b) {                                                     \
    return H(float(a) op float(b));                                                               \
  }                                                                                               \
  template <HalfType H, std::integral I>                                                          \
  TARN_FN constexpr H operator op(H a, I b) {                                                     \
    return H(float(a) op float(b));                                                               \
  }                                                                                               \
  template <std::integral I, HalfType H>                                                          \
  TARN_FN constexpr H operator op(I a, H b) {                                                     \
    return H(float(a) op float(b));                                                               \
  }                                                                                               \
  template <HalfType H, std::floating_point F>                                                    \
  TARN_FN constexpr F operator op(H a, F b) {                                                     \
    return F(float(a)) op b;                                                                      \
  }                                                                                               \
  template <std::floating_point F, HalfType H>                                                    \
  TARN_FN constexpr F operator op(F a, H b) {                                                     \
    return a op F(float(b));                                                                      \
  }                                                                                               \
  TARN_FN constexpr float operator op(float16_t a, bfloat16_t b) { return float(a) op float(b); } \
  TARN_FN constexpr float operator op(bfloat16_t a, float16_t b) { return float(a) op float(b); } \
  template <HalfType H, std::convertible_to<float> T>                                             \
  TARN_FN constexpr H& operator op##=(H& a, T b) {                                                \
    return a = H(float(a) op float(b));                                                           \
  }                                                                                               \
  template <std::floating_point F, HalfType H>                                                    \
  TARN_FN constexpr F& operator op##=(F& a, H b) {                                                \
    return a = a op F(float(b));                                                                  \
  }
TARN_HALF_ARITHMETIC(+)
TARN_HALF_ARITHMETIC(-)
TARN_HALF_ARITHMETIC(*)
TARN_HALF_ARITHMETIC(/)
#undef TARN_HALF_ARITHMETIC

template <HalfType H>
TARN_FN constexpr H operator-(H a) {
  return H::from_bits(a.bits_ ^ 0x8000u);
}

#define TARN_HALF_COMPARISON(op)                                                  \
  template <HalfType H>                                                           \
  TARN_FN constexpr bool operator op(H a, H b) {                                  \
    return float(a) op float(b);                                                  \
  }                                                                               \
  template <HalfType H, class T>                                                  \
  requires std::is_arithmetic_v<T> TARN_FN constexpr bool operator op(H a, T b) { \
    return float(a) op b;                                                         \
  }                                                                               \
  template <class T, HalfType H>                                                  \
  requires std::is_arithmetic_v<T> TARN_FN constexpr bool operator op(T a, H b) { \
    return a op float(b);                                                         \
  }
TARN_HALF_COMPARISON(==)
TARN_HALF_COMPARISON(!=)
TARN_HALF_COMPARISON(<)
TARN_HALF_COMPARISON(<=)
TARN_HALF_COMPARISON(>)
TARN_HALF_COMPARISON(>=)
#undef TARN_HALF_COMPARISON

// On the bit patterns.
#define TARN_HALF_BITWISE(op)                                                                      \
  template <HalfType H>                                                                            \
  TARN_FN constexpr H operator op(H a, H b) {                                                      \
    return H::from_bits(uint16_t(a.bits_ op b.bits_));                                             \
  }                                                                                                \
  template <HalfType H, std::integral I>                                                           \
  TARN_FN constexpr H operator op(H a, I b) {                                                      \
    return H::from_bits(uint16_t(a.bits_ op b));                                                   \
  }                                                                                                \
  template <std::integral I, HalfType H>                                                           \
  TARN_FN constexpr H operator op(I a, H b) {                                                      \
    return b op a;                                                                                 \
  }                                                                                                \
  template <HalfType H, class T>                                                                   \
  requires std::integral<T> || std::same_as<T, H> TARN_FN constexpr H& operator op##=(H& a, T b) { \
    return a = a op b;                                                                             \
  }
TARN_HALF_BITWISE(|)
TARN_HALF_BITWISE(&)
TARN_HALF_BITWISE(^)
#undef TARN_HALF_BITWISE

}  // namespace tarn

namespace tarn::half_detail {

// What both specialisations of numeric_limits share; `digits` counts the implicit bit.
struct HalfLimits {
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = true;
  static constexpr bool is_integer = false;
  static constexpr bool is_exact = false;
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = false;
  static constexpr bool is_iec559 = true;
  static constexpr bool has_infinity = true;
  static constexpr bool has_quiet_NaN = true;
  static constexpr bool has_signaling_NaN = true;
  static constexpr std::float_round_style round_style = std::round_to_nearest;
  static constexpr int radix = 2;
};

}  // namespace tarn::half_detail

template <>
struct std::numeric_limits<tarn::float16_t> : tarn::half_detail::HalfLimits {
  using Half = tarn::float16_t;
  static constexpr int digits = 11;
  static constexpr int digits10 = 3;
  static constexpr int max_digits10 = 5;
  static constexpr int min_exponent = -13;
  static constexpr int max_exponent = 16;
  static constexpr Half min() noexcept { return Half::from_bits(0x0400); }
  static constexpr Half max() noexcept { return Half::from_bits(0x7bff); }
  static constexpr Half lowest() noexcept { return Half::from_bits(0xfbff); }
  static constexpr Half epsilon() noexcept { return Half::from_bits(0x1400); }
  static constexpr Half infinity() noexcept { return Half::from_bits(0x7c00); }
  static constexpr Half quiet_NaN() noexcept { return Half::from_bits(0x7e00); }
  static constexpr Half denorm_min() noexcept { return Half::from_bits(0x0001); }
};

template <>
struct std::numeric_limits<tarn::bfloat16_t> : tarn::half_detail::HalfLimits {
  using Half = tarn::bfloat16_t;
  static constexpr int digits = 8;
  static constexpr int digits10 = 2;
  static constexpr int max_digits10 = 4;
  static constexpr int min_exponent = -125;
  static constexpr int max_exponent = 128;
  static constexpr Half min() noexcept { return Half::from_bits(0x0080); }
  static constexpr Half max() noexcept { return Half::from_bits(0x7f7f); }
  static constexpr Half lowest() noexcept { return Half::from_bits(0xff7f); }
  static constexpr Half epsilon() noexcept { return Half::from_bits(0x3c00); }
  static constexpr Half infinity() noexcept { return Half::from_bits(0x7f80); }
  static constexpr Half quiet_NaN() noexcept { return Half::from_bits(0x7fc0); }
  static constexpr Half denorm_min() noexcept { return Half::from_bits(0x0001); }
};
