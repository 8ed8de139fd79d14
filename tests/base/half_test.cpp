#include "tarn/base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <type_traits>

namespace tarn {
namespace {

// The value of a half by the definition of its format. Requires: finite.
template <class H>
double value_by_definition(uint16_t bits) {
  constexpr int kMantissaBits = std::numeric_limits<H>::digits - 1;
  constexpr int kMinExponent = std::numeric_limits<H>::min_exponent - 1;
  const int exponent = (bits & 0x7fff) >> kMantissaBits;
  const int mantissa = bits & ((1 << kMantissaBits) - 1);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, kMinExponent - kMantissaBits)
                                         : std::ldexp(mantissa | 1 << kMantissaBits,
                                                      kMinExponent + exponent - 1 - kMantissaBits);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// Nearest half, ties to even, by searching the ordered magnitudes. Requires: x is finite.
template <class H>
uint16_t round_by_search(float x) {
  const uint16_t infinity = std::numeric_limits<H>::infinity().bits_;
  const double magnitude = std::fabs(double(x));
  uint16_t low = 0;
  uint16_t high = infinity;  // largest pattern whose value may exceed the magnitude
  while (high - low > 1) {
    const uint16_t middle = uint16_t((low + high) / 2);
    (value_by_definition<H>(middle) <= magnitude ? low : high) = middle;
  }
  // The pattern of infinity stands for the value that the format would have next.
  const double below = value_by_definition<H>(low);
  const double above = value_by_definition<H>(high);
  const bool up = magnitude - below > above - magnitude ||
                  (magnitude - below == above - magnitude && (low & 1) != 0);
  return uint16_t((up ? high : low) | (std::signbit(x) ? 0x8000 : 0));
}

template <class H>
class Half : public testing::Test {};
using HalfTypes = testing::Types<float16_t, bfloat16_t>;
TYPED_TEST_SUITE(Half, HalfTypes);

TYPED_TEST(Half, every_value_converts_exactly_and_back) {
  using H = TypeParam;
  const uint16_t infinity = std::numeric_limits<H>::infinity().bits_;
  const uint16_t quiet = uint16_t(infinity | infinity >> 1) & ~infinity;
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const H h = H::from_bits(uint16_t(i));
    const float x = h;
    if ((i & 0x7fff) <= infinity) {
      EXPECT_EQ(H(x).bits_, i);
      if ((i & 0x7fff) < infinity) {
        EXPECT_EQ(double(x), value_by_definition<H>(uint16_t(i))) << i;
      }
      EXPECT_EQ(std::signbit(x), i >= 0x8000);
    } else {
      EXPECT_TRUE(std::isnan(x));
      EXPECT_EQ(H(x).bits_, i | quiet) << i;
    }
  }
  EXPECT_TRUE(std::isinf(float(std::numeric_limits<H>::infinity())));
}

TYPED_TEST(Half, rounds_to_nearest_even) {
  using H = TypeParam;
  std::mt19937 random(1);
  const auto expect_rounded = [](float x) {
    ASSERT_EQ(H(x).bits_, round_by_search<H>(x)) << std::hexfloat << x;
  };
  for (int i = 0; i < 200'000; ++i) {
    const float x = std::bit_cast<float>(uint32_t(random()));
    if (std::isfinite(x)) expect_rounded(x);
  }
  // Around every boundary between two neighbours.
  for (uint16_t i = 0; i < std::numeric_limits<H>::infinity().bits_; ++i) {
    const float tie = float((value_by_definition<H>(i) + value_by_definition<H>(i + 1)) / 2);
    if (!std::isfinite(tie)) continue;
    for (float x : {tie, std::nextafterf(tie, 0.0f), std::nextafterf(tie, INFINITY)}) {
      expect_rounded(x);
      expect_rounded(-x);
    }
  }
}

TYPED_TEST(Half, nan_keeps_its_sign) {
  using H = TypeParam;
  for (uint32_t payload : {1u, 0x200u, 0x1fffu, 0x400000u, 0x7fffffu}) {
    for (uint32_t sign : {0u, 0x80000000u}) {
      const float nan = std::bit_cast<float>(0x7f800000u | payload | sign);
      EXPECT_TRUE(std::isnan(float(H(nan))));
      EXPECT_EQ(std::signbit(float(H(nan))), sign != 0);
    }
  }
}

TYPED_TEST(Half, arithmetic_result_types) {
  using H = TypeParam;
  const H one = 1.0f;
  static_assert(std::is_same_v<decltype(one + one), H>);
  static_assert(std::is_same_v<decltype(one * true), H>);
  static_assert(std::is_same_v<decltype(int64_t{2} - one), H>);
  static_assert(std::is_same_v<decltype(one / 2u), H>);
  static_assert(std::is_same_v<decltype(one + 1.0f), float>);
  static_assert(std::is_same_v<decltype(1.0 + one), double>);
  static_assert(std::is_same_v<decltype(float16_t() + bfloat16_t()), float>);
  static_assert(std::is_same_v<decltype(-one), H>);
  static_assert(std::is_trivially_copyable_v<H> && sizeof(H) == 2);
  static_assert(float(H(1.5f) + H(2.25f)) == 3.75f);

  EXPECT_EQ(float(one + one), 2.0f);
  EXPECT_EQ(float(H(3.0f) / 2), 1.5f);
  EXPECT_EQ(0.5 * H(3.0f), 1.5);
  H sum = one;
  sum += 2.0f;
  EXPECT_EQ(sum, 3);
  sum -= 1;
  sum *= H(4.0f);
  sum /= 2.0;
  EXPECT_EQ(sum, 4.0f);
  float wide = 0.5f;
  wide += sum;
  EXPECT_EQ(wide, 4.5f);
  EXPECT_TRUE(H(1.0f) < H(2.0f) && H(2.0f) >= 2.0 && 1u != H(2.0f));
  EXPECT_FALSE(H(NAN) == H(NAN));
  EXPECT_EQ((H::from_bits(0x00f0) | uint16_t{0x000f}).bits_, 0x00ff);
  EXPECT_EQ((0x00f0 & H::from_bits(0x00ff)).bits_, 0x00f0);
  EXPECT_EQ((H::from_bits(0x00f0) ^ H::from_bits(0x00ff)).bits_, 0x000f);
  EXPECT_TRUE(std::signbit(float(-H(0.0f))));
}

TYPED_TEST(Half, limits) {
  using Limits = std::numeric_limits<TypeParam>;
  EXPECT_TRUE(std::isinf(float(TypeParam(2.0f * float(Limits::max())))));
  EXPECT_EQ(float(Limits::lowest()), -float(Limits::max()));
  EXPECT_EQ(double(Limits::min()), std::ldexp(1.0, Limits::min_exponent - 1));
  EXPECT_EQ(double(Limits::epsilon()), std::ldexp(1.0, 1 - Limits::digits));
  EXPECT_TRUE(std::isnan(float(Limits::quiet_NaN())));
  EXPECT_GT(float(TypeParam(1.0f + float(Limits::epsilon()))), 1.0f);
}

}  // namespace
}  // namespace tarn
