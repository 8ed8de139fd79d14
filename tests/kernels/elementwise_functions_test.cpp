// Functions that are composed of elementwise operations, and what those refuse.
#include <gtest/gtest.h>

#include <cmath>

#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> elements(array a) {
  EXPECT_EQ(a.dtype(), dtype_of<T>);
  a = contiguous(a);
  a.eval();
  return {a.data<T>(), a.data<T>() + a.size()};
}

// (vector<bool> has no data.)
std::vector<int> truths(const array& a) {
  EXPECT_EQ(a.dtype(), bool_);
  return elements<int>(astype(a, int32));
}

using Ints = std::vector<int>;
using Floats = std::vector<float>;

bool same(const Floats& a, const Floats& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))) return false;
  }
  return a.size() == b.size();
}

TEST(ElementwiseFunctions, clip_bounds_on_either_side) {
  const array x({-3.0f, 0.5f, kNan, 9.0f});
  EXPECT_TRUE(same(elements<float>(clip(x, array(-1.0f), array(2.0f))), {-1, 0.5, kNan, 2}));
  EXPECT_TRUE(same(elements<float>(clip(x, std::nullopt, array(2.0f))), {-3, 0.5, kNan, 2}));
  EXPECT_TRUE(same(elements<float>(clip(x, array(-1.0f))), {-1, 0.5, kNan, 9}));
  EXPECT_THROW(clip(x), std::invalid_argument);
  EXPECT_EQ(clip(array({1, 2}, int16), array(0.5f), array(1.5f)).dtype(), float32);
  EXPECT_EQ(clip(array({1.0f}, float16), array(0.5f)).dtype(), float32);
  const array columns = clip(array({1, 5, 9, 2}, Shape{2, 2}), array({2, 3}), array({8, 4}));
  EXPECT_EQ(elements<int>(columns), (Ints{2, 4, 8, 3}));
}

// Every pair of bytes, so that the corners are among them.
TEST(ElementwiseFunctions, divmod_of_integers_rounds_down) {
  std::vector<int8_t> a, b;
  for (int x = -128; x < 128; ++x) {
    for (int y = -128; y < 128; ++y) {
      a.push_back(int8_t(x));
      b.push_back(int8_t(y));
    }
  }
  const Shape shape{int(a.size())};
  const auto parts = divmod(array(a.begin(), shape, int8), array(b.begin(), shape, int8));
  const std::vector<int8_t> q = elements<int8_t>(parts[0]), r = elements<int8_t>(parts[1]);
  for (size_t i = 0; i < a.size(); ++i) {
    const int quotient = b[i] == 0 ? 0 : int(std::floor(double(a[i]) / b[i]));
    const int rest = b[i] == 0 ? 0 : a[i] - quotient * b[i];
    ASSERT_EQ(q[i], int8_t(quotient)) << int(a[i]) << " " << int(b[i]);
    ASSERT_EQ(r[i], int8_t(rest)) << int(a[i]) << " " << int(b[i]);
  }
}

TEST(ElementwiseFunctions, divmod_of_floats_gives_what_makes_up_the_dividend) {
  const Floats a{7, -7, 7, -7, 1, 1e10f, 5.5f, -0.5f}, b{2, 2, -2, -2, 0.1f, 3, 0.25f, 0.75f};
  const auto parts = divmod(array(a.begin(), Shape{8}), array(b.begin(), Shape{8}));
  const Floats q = elements<float>(parts[0]), r = elements<float>(parts[1]);
  EXPECT_EQ(Floats(q.begin(), q.begin() + 5), (Floats{3, -4, -4, 3, 9}));
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(double(q[i]) * b[i] + r[i], a[i], std::fabs(a[i]) * 1e-7) << i;
    EXPECT_EQ(std::signbit(r[i]), std::signbit(b[i])) << i;
  }
  const auto by_zero = divmod(array({1.0f, -1.0f, 0.0f}), array(0.0f));
  EXPECT_TRUE(same(elements<float>(by_zero[0]), {kInf, -kInf, kNan}));
  EXPECT_THROW(divmod(array(complex64_t(1)), array(1.0f)), std::invalid_argument);
}

TEST(ElementwiseFunctions, infinities_are_told_apart) {
  const array x({-kInf, kInf, kNan, 1.0f, 3.4e38f});
  EXPECT_EQ(truths(isposinf(x)), (Ints{0, 1, 0, 0, 0}));
  EXPECT_EQ(truths(isneginf(x)), (Ints{1, 0, 0, 0, 0}));
  EXPECT_EQ(truths(isposinf(array({1, 2}))), (Ints{0, 0}));
  EXPECT_EQ(truths(isneginf(array({true, false}))), (Ints{0, 0}));
}

TEST(ElementwiseFunctions, nan_to_num_replaces_by_what_the_dtype_holds) {
  const array x({kNan, kInf, -kInf, 2.0f});
  constexpr float kMax = std::numeric_limits<float>::max();
  EXPECT_EQ(elements<float>(nan_to_num(x)), (Floats{0, kMax, -kMax, 2}));
  EXPECT_EQ(elements<float>(nan_to_num(x, 1, 7, -8)), (Floats{1, 7, -8, 2}));
  EXPECT_EQ(elements<float>(astype(nan_to_num(astype(x, float16)), float32)),
            (Floats{0, 65504, -65504, 2}));
  EXPECT_EQ(elements<double>(nan_to_num(astype(x, float64)))[1],
            std::numeric_limits<double>::max());
  EXPECT_EQ(elements<int>(nan_to_num(array({1, 2}))), (Ints{1, 2}));
  EXPECT_THROW(nan_to_num(array(complex64_t(1))), std::invalid_argument);
}

TEST(ElementwiseFunctions, logical_xor_of_any_numbers) {
  EXPECT_EQ(truths(logical_xor(array({0, 0, 3, 4}), array({0.0f, kNan, 0.0f, 0.5f}))),
            (Ints{0, 1, 1, 0}));
}

TEST(ElementwiseFunctions, numbers_that_divide_are_doubles) {
  const array half({1.0f, 3.0f}, float16);
  for (const array& quotient : {half / 2, 2 / half, half / 2.0, half / float16_t(2)}) {
    EXPECT_EQ(quotient.dtype(), float32);
  }
  EXPECT_EQ(elements<float>(half / 2), (Floats{0.5f, 1.5f}));
  EXPECT_EQ((half / half).dtype(), float16);
  EXPECT_EQ((half / complex64_t(0, 1)).dtype(), complex64);
}

TEST(ElementwiseFunctions, isclose_follows_its_definition) {
  const array a({1.0f, 1.0f, kInf, kInf, kInf, 1.0f, kNan, 0.0f});
  const array b({1.000001f, 1.1f, kInf, -kInf, 1.0f, kInf, kNan, 1e-9f});
  EXPECT_EQ(truths(isclose(a, b)), (Ints{1, 0, 1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(truths(isclose(a, b, 1e-5, 1e-8, true)), (Ints{1, 0, 1, 0, 0, 0, 1, 1}));
  EXPECT_EQ(truths(isclose(a, b, 0.2, 0)), (Ints{1, 1, 1, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(allclose(a, b).item<bool>());
  EXPECT_TRUE(allclose(array({1.0f, 2.0f}), array({1.0f, 2.00001f})).item<bool>());
  const array z({complex64_t(1, 1), complex64_t(1, 1)});
  EXPECT_EQ(truths(isclose(z, array({complex64_t(1, 1.000001f), complex64_t(1, 2)}))),
            (Ints{1, 0}));
}

TEST(ElementwiseFunctions, isclose_of_integers_does_not_wrap) {
  const auto close = [](auto a, auto b) {
    using T = decltype(a);
    return isclose(array(a, dtype_of<T>), array(b, dtype_of<T>), 0, 2).template item<bool>();
  };
  EXPECT_TRUE(close(uint8_t{3}, uint8_t{5}));
  EXPECT_FALSE(close(uint8_t{0}, uint8_t{254}));
  EXPECT_FALSE(close(int8_t{-128}, int8_t{127}));
  EXPECT_FALSE(close(int8_t{127}, int8_t{-128}));
  EXPECT_TRUE(close(int8_t{-128}, int8_t{-127}));
  EXPECT_FALSE(close(int32_t{1 << 30}, int32_t{(1 << 30) + 3}));
  EXPECT_TRUE(close(true, false));
}

TEST(ElementwiseFunctions, angles_are_converted) {
  EXPECT_EQ(elements<float>(degrees(array({0.0f, 3.14159274f}))), (Floats{0, 180}));
  EXPECT_EQ(elements<float>(radians(array({0, 180}))), (Floats{0, 3.14159274f}));
  EXPECT_EQ(degrees(array({1.0f}, bfloat16)).dtype(), bfloat16);
}

TEST(ElementwiseFunctions, parts_of_complex_and_of_real_numbers) {
  const array z({complex64_t(1, 2), complex64_t(-3, -4)});
  EXPECT_EQ(elements<float>(real(z)), (Floats{1, -3}));
  EXPECT_EQ(elements<float>(imag(z)), (Floats{2, -4}));
  EXPECT_EQ(elements<complex64_t>(conjugate(z))[1], complex64_t(-3, 4));
  const array x({1, 2});
  EXPECT_EQ(real(x).id(), x.id());
  EXPECT_EQ(conjugate(x).id(), x.id());
  EXPECT_EQ(elements<int>(imag(x)), (Ints{0, 0}));
}

TEST(ElementwiseFunctions, rounding_leaves_integers_alone) {
  const array x({1, 2});
  for (const array& same_x : {floor(x), ceil(x), trunc(x), round(x), positive(x)}) {
    EXPECT_EQ(same_x.id(), x.id());
  }
  EXPECT_EQ(elements<int>(round(array({15, 122}), -1)), (Ints{20, 120}));
  EXPECT_EQ(elements<float>(round(array({1.2345f}), 2)), (Floats{1.23f}));
}

TEST(ElementwiseFunctions, fp8_comes_back_as_it_was) {
  std::vector<uint8_t> codes(256);
  for (int i = 0; i < 256; ++i) codes[size_t(i)] = uint8_t(i);
  const array all_codes(codes.begin(), Shape{256}, uint8);
  for (Dtype dtype : {float16, bfloat16, float32, float64}) {
    EXPECT_EQ(elements<uint8_t>(to_fp8(from_fp8(all_codes, dtype))), codes) << dtype;
  }
  EXPECT_EQ(elements<uint8_t>(to_fp8(array({1000.0f, -kInf, 500.0f}))),
            (std::vector<uint8_t>{0x7e, 0xfe, 0x7e}));
  EXPECT_EQ(elements<float>(from_fp8(array({0x38, 0x7e, 0x81}, uint8), float32)),
            (Floats{1, 448, -0x1p-9f}));
  EXPECT_THROW(from_fp8(array({1, 2}), float32), std::invalid_argument);
  EXPECT_THROW(from_fp8(all_codes, int32), std::invalid_argument);
}

TEST(ElementwiseFunctions, fp8_rounds_to_the_nearest) {
  std::mt19937 random(8);
  const std::vector<float> x = random_elements<float>(random, 20'000, {-20, 20});
  const auto codes = elements<uint8_t>(to_fp8(array(x.begin(), Shape{int(x.size())})));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i], float8_code_reference(x[i])) << x[i];
}

TEST(ElementwiseFunctions, complex_numbers_are_refused_where_there_is_no_meaning) {
  const array z(complex64_t(1, 2));
  EXPECT_THROW(floor(z), std::invalid_argument);
  EXPECT_THROW(ceil(z), std::invalid_argument);
  EXPECT_THROW(trunc(z), std::invalid_argument);
  EXPECT_THROW(expm1(z), std::invalid_argument);
  EXPECT_THROW(sigmoid(z), std::invalid_argument);
  EXPECT_THROW(erf(z), std::invalid_argument);
  EXPECT_THROW(erfinv(z), std::invalid_argument);
  EXPECT_THROW(arctan2(z, z), std::invalid_argument);
  EXPECT_THROW(remainder(z, z), std::invalid_argument);
  EXPECT_THROW(to_fp8(z), std::invalid_argument);
  EXPECT_THROW(~array(1.0f), std::invalid_argument);
  EXPECT_THROW(-array(true), std::invalid_argument);
}

TEST(ElementwiseFunctions, integers_become_floats) {
  for (auto f : {&arccos, &arcsinh, &log1p, &tan, &erfinv, &reciprocal}) {
    EXPECT_EQ((*f)(array({0, 1}), {}).dtype(), float32);
    EXPECT_EQ((*f)(array({true}), {}).dtype(), float32);
    EXPECT_EQ((*f)(array({0.5f}, float16), {}).dtype(), float16);
  }
  EXPECT_EQ(arctan2(array(1), array(1.0f, bfloat16)).dtype(), bfloat16);
  EXPECT_EQ(logaddexp(array(1), array(2)).dtype(), float32);
}

}  // namespace
}  // namespace tarn
