// Root mean square and layer norms against their definitions, computed in double.
#include "tarn/kernels/cpu/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tarn/tarn.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/float_types.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

enum class Kind { rms, layer };

template <class T>
constexpr double kUnit = std::is_same_v<T, double>      ? 0x1p-53
                         : std::is_same_v<T, float>     ? 0x1p-24
                         : std::is_same_v<T, float16_t> ? 0x1p-11
                                                        : 0x1p-8;
template <class T>
constexpr double kComputeUnit = std::is_same_v<T, double> ? 0x1p-53 : 0x1p-24;

// Of double, sums are not more accurate than the elements.
template <class T>
constexpr double kUnits = std::is_same_v<T, double> ? 100 : 16;

struct Expected {
  double value;
  double bound;
};

// `x` is a row.
template <class T>
std::vector<Expected> expected_row(Kind kind, const std::vector<double>& x,
                                   const std::vector<double>& weight,
                                   const std::vector<double>& bias, double eps) {
  const double n = double(x.size());
  // Adding up in double is as far from exact as what is tested, of float64.
  long double mean = 0, squares = 0;
  if (kind == Kind::layer) {
    for (double value : x) mean += value;
    mean /= n;
  }
  for (double value : x) squares += (value - mean) * (value - mean);
  const double scale = double(1 / std::sqrt(squares / n + eps));
  std::vector<Expected> expected(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double w = weight.empty() ? 1 : weight[i], b = bias.empty() ? 0 : bias[i];
    const double scaled = double(x[i] - mean) * scale * w;
    expected[i] = {scaled + b,
                   kUnits<T> * kComputeUnit<T> * (std::fabs(scaled) + std::fabs(w) + std::fabs(b)) +
                       kUnit<T> * std::fabs(scaled + b) + 1e-37};
  }
  // Half of the smallest number of a 16-bit float may go when rounding.
  if (std::is_same_v<T, float16_t>) {
    for (Expected& e : expected) e.bound += 0x1p-25;
  }
  return expected;
}

template <class T>
std::vector<double> doubles_of(TestArray& array) {
  std::vector<double> values;
  for (T x : array.elements<T>()) values.push_back(to_double(x));
  return values;
}

template <class T>
void expect_norm(Kind kind, const std::vector<double>& x, TestArray* weight, TestArray* bias,
                 double eps, TestArray& out, const std::string& what) {
  const size_t n = size_t(out.shape().back());
  const std::vector<double> w = weight != nullptr ? doubles_of<T>(*weight) : std::vector<double>{};
  const std::vector<double> b = bias != nullptr ? doubles_of<T>(*bias) : std::vector<double>{};
  const std::vector<double> got = doubles_of<T>(out);
  for (size_t row = 0; row < x.size(); row += n) {
    const auto expected = expected_row<T>(kind, {x.begin() + row, x.begin() + row + n}, w, b, eps);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(got[row + i], expected[i].value, expected[i].bound)
          << what << " row " << row / n << " element " << i;
    }
  }
}

template <class T>
void fill_normal(TestArray& array, double mean, double deviation, std::mt19937& random) {
  std::normal_distribution<double> normal(mean, deviation);
  array.for_each<T>([&](T& x, int64_t) { x = T(float(normal(random))); });
}

template <class T>
TestArray random_vector(int n, std::mt19937& random) {
  TestArray vector = TestArray::random_layout(dtype_of<T>, {n}, random);
  fill_normal<T>(vector, 1, 0.5, random);
  return vector;
}

template <class T>
void check_norm(Kind kind, TestArray& x, bool has_weight, bool has_bias, std::mt19937& random) {
  const float eps = 1e-5f;
  TestArray weight = random_vector<T>(x.shape().back(), random);
  TestArray bias = random_vector<T>(x.shape().back(), random);
  const View weight_view = weight.view(), bias_view = bias.view();
  const auto run = [&](TestArray& from, TestArray& to) {
    const View* const w = has_weight ? &weight_view : nullptr;
    if (kind == Kind::rms) {
      cpu::rms_norm(from.view(), w, eps, to.view());
    } else {
      cpu::layer_norm(from.view(), w, has_bias ? &bias_view : nullptr, eps, to.view());
    }
  };
  const std::string what = std::string(dtype_name(dtype_of<T>)) +
                           (kind == Kind::rms ? " rms" : "") + (has_weight ? " weight" : "") +
                           (has_bias ? " bias " : " ") + testing::PrintToString(x.shape());
  const std::vector<double> elements = doubles_of<T>(x);
  const auto expect = [&](TestArray& out, const std::string& how) {
    expect_norm<T>(kind, elements, has_weight ? &weight : nullptr, has_bias ? &bias : nullptr, eps,
                   out, what + how);
  };
  TestArray out(dtype_of<T>, x.shape());
  run(x, out);
  ASSERT_NO_FATAL_FAILURE(expect(out, ""));
  TestArray same(dtype_of<T>, x.shape());
  same.set(x.elements<T>());
  run(same, same);
  ASSERT_NO_FATAL_FAILURE(expect(same, " in place"));
}

template <class T>
void check_norms(TestArray& x, std::mt19937& random) {
  for (bool has_weight : {false, true}) {
    check_norm<T>(Kind::rms, x, has_weight, false, random);
    for (bool has_bias : {false, true}) {
      check_norm<T>(Kind::layer, x, has_weight, has_bias, random);
    }
  }
}

TEST(Norm, any_layout) {
  std::mt19937 random(1);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 60; ++i) {
      Shape shape = random_shape(random, 4, 5);
      shape.push_back(pick(random, 0, 9) == 0 ? pick(random, 0, 1) : pick(random, 1, 90));
      TestArray x = TestArray::random_layout(dtype_of<T>, shape, random);
      fill_normal<T>(x, i % 3, 2, random);
      ASSERT_NO_FATAL_FAILURE(check_norms<T>(x, random));
    }
    TestArray row(dtype_of<T>, {1, 33}), number(dtype_of<T>, {3, 1});
    fill_normal<T>(row, 0, 1, random);
    fill_normal<T>(number, 0, 1, random);
    row.broadcast_to({4, 33});
    ASSERT_NO_FATAL_FAILURE(check_norms<T>(row, random));
    number.broadcast_to({3, 50});
    ASSERT_NO_FATAL_FAILURE(check_norms<T>(number, random));
  });
}

// Longer than a block; enough for several threads; more than is written by way of the caches.
TEST(Norm, large_arrays) {
  std::mt19937 random(2);
  const auto check = [&]<class T>(type_tag<T>, const Shape& shape) {
    TestArray x(dtype_of<T>, shape);
    fill_normal<T>(x, 0.5, 2, random);
    check_norm<T>(Kind::layer, x, true, true, random);
    check_norm<T>(Kind::rms, x, true, false, random);
  };
  for_each_float_type([&]<class T>(type_tag<T> type) {
    for (const Shape& shape : {Shape{3, 5001}, Shape{70'003}, Shape{300, 700}}) {
      ASSERT_NO_FATAL_FAILURE(check(type, shape));
    }
  });
  ASSERT_NO_FATAL_FAILURE(check(type_tag<float>(), {2200, 1100}));
}

TEST(LayerNorm, a_large_mean_costs_no_digits) {
  std::mt19937 random(3);
  for (float mean : {100.0f, -5000.0f, 1e6f}) {
    TestArray x(float32, {4, 3000});
    x.for_each<float>([&](float& value, int64_t) { value = mean + float(random() % 64); });
    ASSERT_NO_FATAL_FAILURE(check_norm<float>(Kind::layer, x, true, true, random));
  }
}

TEST(LayerNorm, of_equal_elements_is_the_bias) {
  const array bias({1.0f, 2.0f, 3.0f});
  const array x = full({2, 3}, 0.1f);
  EXPECT_EQ(values_of<float>(fast::layer_norm(x, std::nullopt, bias, 1e-5f)),
            (std::vector<float>{1, 2, 3, 1, 2, 3}));
}

TEST(Norm, what_is_not_a_number_stays_in_its_row) {
  const array x = array({1.0f, NAN, 3.0f, 4.0f}, {2, 2});
  for (const array& y : {fast::rms_norm(x, std::nullopt, 0.1f),
                         fast::layer_norm(x, std::nullopt, std::nullopt, 0.1f)}) {
    const std::vector<float> values = values_of<float>(y);
    EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
    EXPECT_FALSE(std::isnan(values[2]) || std::isnan(values[3]));
  }
}

// In 16 bits, sums of rows this long would stop at a fraction.
TEST(RmsNorm, sums_of_16_bit_floats_are_exact_enough) {
  const std::vector<float> values =
      values_of<float>(fast::rms_norm(full({1, 5000}, 3, bfloat16), std::nullopt, 0));
  for (float x : values) ASSERT_EQ(x, 1);
}

TEST(NormFunctions, dtypes_and_shapes) {
  const array x = zeros({2, 3, 4}, float16), w = ones({4});
  EXPECT_EQ(fast::rms_norm(x, std::nullopt, 1e-5f).dtype(), float16);
  EXPECT_EQ(fast::rms_norm(x, w, 1e-5f).dtype(), float32);
  EXPECT_EQ(fast::rms_norm(zeros({4}, int32), w, 1e-5f).dtype(), float32);
  EXPECT_EQ(fast::layer_norm(x, std::nullopt, ones({4}, bfloat16), 1e-5f).dtype(), float32);
  EXPECT_EQ(fast::layer_norm(x, ones({4}, float16), ones({4}, float16), 1e-5f).dtype(), float16);
  EXPECT_EQ(fast::layer_norm(x, w, std::nullopt, 1e-5f).shape(), (Shape{2, 3, 4}));
  EXPECT_TRUE(values_of<float>(fast::rms_norm(zeros({0, 4}), w, 1e-5f)).empty());
  EXPECT_TRUE(
      values_of<float>(fast::layer_norm(zeros({3, 0}), zeros({0}), std::nullopt, 1)).empty());
}

TEST(NormFunctions, mistakes) {
  const array x = zeros({2, 4}), w = ones({4});
  EXPECT_THROW(fast::rms_norm(array(1.0f), std::nullopt, 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::rms_norm(x, ones({2}), 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::rms_norm(x, ones({1, 4}), 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::rms_norm(zeros({4}, int32), std::nullopt, 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::rms_norm(zeros({4}, complex64), w, 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::layer_norm(array(1.0f), std::nullopt, std::nullopt, 1), std::invalid_argument);
  EXPECT_THROW(fast::layer_norm(x, w, ones({3}), 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::layer_norm(x, array(1.0f), w, 1e-5f), std::invalid_argument);
  EXPECT_THROW(fast::layer_norm(zeros({4}, int8), std::nullopt, std::nullopt, 1),
               std::invalid_argument);
}

TEST(CustomKernels, need_their_back_end) {
  const fast::CustomKernelFunction kernel = fast::metal_kernel("f", {"x"}, {"y"}, "source");
  const auto message_of = [](auto f) -> std::string {
    try {
      f();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "none";
  };
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(contains(
      message_of([&] {
        kernel({array(1.0f)}, {Shape{1}}, {float32}, {1, 1, 1}, {1, 1, 1}, {}, {}, false, {});
      }),
      "No Metal back-end"));
  EXPECT_TRUE(contains(message_of([] { fast::cuda_kernel("f", {"x"}, {"y"}, "source"); }),
                       "No CUDA back-end"));
  EXPECT_TRUE(contains(message_of([] {
                         fast::precompiled_cuda_kernel("f", "source", {array(1.0f)}, {Shape{1}},
                                                       {float32}, {1, 2.0f, true}, {1, 1, 1},
                                                       {1, 1, 1});
                       }),
                       "No CUDA back-end"));
}

}  // namespace
}  // namespace tarn
