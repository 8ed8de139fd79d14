#include "tarn/base/complex.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace tarn {
namespace {

TEST(Complex, order_is_lexicographic) {
  const complex64_t values[] = {{-1, 5}, {0, -2}, {0, 0}, {0, 3}, {2, -9}};
  for (const complex64_t& a : values) {
    for (const complex64_t& b : values) {
      EXPECT_EQ(a < b, &a < &b);
      EXPECT_EQ(a > b, &a > &b);
      EXPECT_EQ(a <= b, &a <= &b);
      EXPECT_EQ(a >= b, &a >= &b);
      EXPECT_EQ(a == b, &a == &b);
    }
  }
  const complex64_t nan(NAN, 0);
  EXPECT_FALSE(nan < nan || nan >= nan || nan == nan);
  EXPECT_TRUE(nan != nan);
}

TEST(Complex, mixes_with_scalars) {
  const complex64_t z(1, 2);
  static_assert(std::is_same_v<decltype(z + 1), complex64_t>);
  static_assert(std::is_same_v<decltype(2.0 * z), complex64_t>);
  static_assert(std::is_same_v<decltype(z / float16_t(1)), complex64_t>);
  static_assert(std::is_same_v<decltype(-z), complex64_t>);
  EXPECT_EQ(z + 1, complex64_t(2, 2));
  EXPECT_EQ(3 - z, complex64_t(2, -2));
  EXPECT_EQ(z * z, complex64_t(-3, 4));
  EXPECT_EQ(z / z, 1);
  EXPECT_EQ(z * bfloat16_t(2.0f), complex64_t(2, 4));
  EXPECT_EQ(z + std::complex<float>(0, 1), complex64_t(1, 3));
  EXPECT_NE(z, 1);  // not the comparison of real parts
  EXPECT_EQ(static_cast<float>(z), 1.0f);
}

TEST(Complex, remainder_of_each_part_has_the_sign_of_the_divisor) {
  EXPECT_EQ(complex64_t(-7, 7) % complex64_t(3, -3), complex64_t(2, -2));
  EXPECT_EQ(complex64_t(6, 8) % complex64_t(3, 5), complex64_t(0, 3));
}

}  // namespace
}  // namespace tarn
