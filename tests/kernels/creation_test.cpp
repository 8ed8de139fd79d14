#include "tarn/kernels/cpu/creation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

template <class T>
std::vector<T> arange(double start, double step, int n) {
  TestArray to(dtype_of<T>, {n});
  cpu::arange(start, step, to.view());
  return to.elements<T>();
}

TEST(Arange, integers_use_the_increment_of_their_type) {
  EXPECT_EQ(arange<int32_t>(0, 1, 4), (std::vector<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(arange<int32_t>(0, 0.2, 15), std::vector<int32_t>(15, 0));
  EXPECT_EQ(arange<int64_t>(0.5, 1.5, 3), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(arange<int8_t>(5, -3, 4), (std::vector<int8_t>{5, 2, -1, -4}));
  EXPECT_EQ(arange<uint8_t>(250, 3, 4), (std::vector<uint8_t>{250, 253, 0, 3}));
  EXPECT_EQ(arange<uint64_t>(0x1p63, 2048, 2)[1], (uint64_t{1} << 63) + 2048);
}

TEST(Arange, integers_of_several_ranges) {
  for (int n : {300'000, 3'000'001}) {  // the second past the caches
    const auto got = arange<int32_t>(5, 3, n);
    for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], 5 + 3 * i);
  }
  const auto narrow = arange<int16_t>(-7, 2, 100'000);
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(narrow[i], int16_t(-7 + 2 * i));
}

TEST(Arange, floats_are_rounded_once) {
  for (int n : {300'000, 3'000'001}) {  // the second past the caches
    const auto got = arange<float>(0, 0.1, n);
    for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], static_cast<float>(i * 0.1));
  }
  EXPECT_EQ(arange<double>(1, 0.25, 3), (std::vector<double>{1, 1.25, 1.5}));
  EXPECT_EQ(float(arange<bfloat16_t>(0, 1, 300)[257]), 256.0f);
  EXPECT_EQ(float(arange<float16_t>(-2, 0.5, 3)[2]), -1.0f);
  EXPECT_EQ(arange<complex64_t>(1, 2, 2)[1], complex64_t(3, 0));
  EXPECT_EQ(arange<float>(3, INFINITY, 1)[0], 3.0f);
  EXPECT_TRUE(arange<float>(3, 1, 0).empty());
}

// In pieces: some are converted, and past the caches others are stored from scratch memory.
TEST(Arange, pieces_follow_each_other) {
  const auto check = [](auto tag, int n) {
    using T = typename decltype(tag)::type;
    const auto got = arange<T>(-3, 0.25, n);
    for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], T(float(-3 + 0.25 * i))) << i << " of " << n;
  };
  for (int n : {2047, 2048, 2049, 5'000'003}) {
    check(type_tag<float16_t>(), n);
    check(type_tag<bfloat16_t>(), n);
    check(type_tag<complex64_t>(), n);
  }
}

TEST(Fill, every_dtype) {
  std::mt19937 random(1);
  for (Dtype dtype : kAllDtypes) {
    visit(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int i = 0; i < 20; ++i) {
        auto to = TestArray::random_layout(dtype, random_shape(random, 4, 8), random);
        const T value = T(1);
        cpu::fill(&value, to.view());
        for (const T& x : to.elements<T>()) ASSERT_TRUE(x == value);
      }
      TestArray large(dtype, Layout{{9 << 20}, {1}, 1}, (9 << 20) + 1);
      const T value = T(1);
      cpu::fill(&value, large.view());
      const auto elements = large.elements<T>();
      ASSERT_TRUE(std::all_of(elements.begin(), elements.end(), [&](T x) { return x == value; }));
    });
  }
}

TEST(Eye, diagonals) {
  for (int rows : {0, 1, 3, 5}) {
    for (int cols : {0, 1, 4}) {
      for (int k = -7; k <= 7; ++k) {
        TestArray to(float16, {rows, cols});
        cpu::eye(k, to.view());
        const auto got = to.elements<float16_t>();
        for (int i = 0; i < rows; ++i) {
          for (int j = 0; j < cols; ++j) ASSERT_EQ(float(got[i * cols + j]), j - i == k ? 1 : 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tarn
