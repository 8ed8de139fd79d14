// Variances, means and deviations against their definitions, computed in double.
#include "tarn/kernels/cpu/var.h"

#include <cmath>

#include "tarn/ops/functions/reduce.h"
#include "tests/kernels/element_groups.h"
#include "tests/kernels/numbered_array.h"
#include "tests/kernels/op_reference.h"

namespace tarn {
namespace {

template <class T>
double variance(const std::vector<T>& group, int ddof) {
  double sum = 0, squares = 0;
  for (T x : group) sum += to_double(x);
  const double mean = sum / double(group.size());
  for (T x : group) squares += (to_double(x) - mean) * (to_double(x) - mean);
  return squares / std::max(0.0, double(group.size()) - ddof);
}

template <class T, class R>
void check_var(const Shape& shape, const std::vector<int>& axes, int ddof, double mean,
               std::mt19937& random) {
  TestArray in = TestArray::random_layout(dtype_of<T>, shape, random);
  std::normal_distribution<double> normal(mean, 3);
  in.for_each<T>([&](T& x, int64_t) {
    if constexpr (std::is_same_v<T, bool>) {
      x = normal(random) > mean;
    } else if constexpr (std::is_unsigned_v<T>) {
      x = T(std::fabs(normal(random)));
    } else {
      x = T(float(normal(random)));
    }
  });
  const Groups<T> groups = group_elements<T>(in, axes);
  TestArray out(dtype_of<R>, groups.shape);
  cpu::var(in.view(), axes, ddof, out.view());
  const R* const got = out.view().as<R>();
  // Distances are rounded as elements of their size are, results as R.
  const double epsilon = std::numeric_limits<float>::epsilon() +
                         (sizeof(R) == 2 ? std::is_same_v<R, bfloat16_t> ? 0x1p-8 : 0x1p-11 : 0);
  for (size_t i = 0; i < groups.elements.size(); ++i) {
    const double want = variance(groups.elements[i], ddof);
    if (std::isnan(want) || std::isinf(want)) {
      ASSERT_EQ(std::isnan(want), std::isnan(to_double(got[i])));
      continue;
    }
    ASSERT_NEAR(to_double(got[i]), want, 16 * epsilon * want + 1e-30)
        << dtype_name(dtype_of<T>) << " " << shape << " without axes "
        << testing::PrintToString(axes) << " at " << i;
  }
}

TEST(Var, every_dtype_in_any_layout_along_any_axes) {
  std::mt19937 random(1);
  for (Dtype dtype : kAllDtypes) {
    visit(dtype, [&]<class T>(type_tag<T>) {
      if constexpr (!is_complex<T>) {
        using R = std::conditional_t<std::is_integral_v<T>, float, T>;
        for (int i = 0; i < 60; ++i) {
          const Shape shape = i % 6 == 0 ? random_shape(random, 2, 90) : random_shape(random, 5, 6);
          const std::vector<int> axes = random_axes(random, shape);
          ASSERT_NO_FATAL_FAILURE((check_var<T, R>(shape, axes, i % 3, 0, random)));
        }
      }
    });
  }
}

// Enough for several threads, and for chunks of one output among them.
TEST(Var, large_arrays) {
  std::mt19937 random(2);
  const std::pair<Shape, std::vector<int>> cases[] = {
      {{700'000}, {0}},   {{3, 270'001}, {1}}, {{200'001, 3}, {0}},       {{500, 2100}, {0}},
      {{500, 1100}, {1}}, {{15'000, 40}, {0}}, {{4, 64, 33, 65}, {1, 3}}, {{33, 300, 64}, {1}}};
  for (const auto& [shape, axes] : cases) {
    ASSERT_NO_FATAL_FAILURE((check_var<float, float>(shape, axes, 0, 1, random)));
    ASSERT_NO_FATAL_FAILURE((check_var<bfloat16_t, bfloat16_t>(shape, axes, 1, 0, random)));
    ASSERT_NO_FATAL_FAILURE((check_var<double, double>(shape, axes, 0, 1e6, random)));
  }
}

array tall(const array& a) { return transpose(reshape(a, {100, -1})); }

TEST(Var, a_large_mean_costs_no_digits) {
  std::mt19937 random(3);
  std::vector<float> values(300'000);
  for (float& x : values) x = 1e6f + float(random() % 64);
  const array a(values.begin(), {300'000});
  EXPECT_NEAR(var(a).item<float>(), variance(values, 0), 1e-3);
  EXPECT_NEAR(var(reshape(a, {1000, 300}), std::vector<int>{0, 1}).item<float>(),
              variance(values, 0), 1e-3);
  const std::vector<float> rows = values_of<float>(var(reshape(a, {100, 3000}), 1));
  const std::vector<float> columns = values_of<float>(var(contiguous(tall(a)), 0));
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> row(values.begin() + 3000 * i, values.begin() + 3000 * (i + 1));
    EXPECT_NEAR(rows[i], variance(row, 0), 1e-3);
    EXPECT_NEAR(columns[i], variance(row, 0), 1e-3);
  }
}

TEST(Var, equal_elements_do_not_vary) {
  const array a = full({1000, 301}, 0.1f);
  EXPECT_EQ(var(a).item<float>(), 0);
  for (int axis : {0, 1}) {
    for (float x : values_of<float>(var(a, axis))) EXPECT_EQ(x, 0);
  }
}

TEST(Var, what_is_not_a_number) {
  EXPECT_TRUE(std::isnan(var(array({1.0f, INFINITY})).item<float>()));
  EXPECT_TRUE(std::isnan(var(array({1.0f, NAN})).item<float>()));
  EXPECT_TRUE(std::isnan(var(array({})).item<float>()));
  EXPECT_TRUE(std::isnan(var(array(3.0f), false, 1).item<float>()));
  EXPECT_TRUE(std::isinf(var(array({1.0f, 2.0f}), false, 2).item<float>()));
  EXPECT_TRUE(std::isinf(var(array({1.0f, 2.0f}), false, 5).item<float>()));
}

TEST(Var, of_complex_numbers_is_that_of_both_parts) {
  const array a = array({complex64_t(1, 2), complex64_t(-1, 5), complex64_t(0, -4)});
  EXPECT_EQ(var(a).dtype(), float32);
  EXPECT_NEAR(var(a).item<float>(), 2.0 / 3 + 14, 1e-5);
}

TEST(Std, is_the_root_of_the_variance) {
  const array a = array({1.0f, 3.0f, 5.0f, 9.0f}, {2, 2});
  EXPECT_EQ(values_of<float>(std(a, 1)), (std::vector<float>{1, 2}));
  EXPECT_EQ(std(a, true).shape(), (Shape{1, 1}));
  EXPECT_FLOAT_EQ(std(a).item<float>(), std::sqrt(var(a).item<float>()));
  EXPECT_FLOAT_EQ(values_of<float>(std(a, std::vector<int>{0}, false, 1))[0], std::sqrt(8.0f));
  EXPECT_EQ(std(array({1, 2}, uint8)).dtype(), float32);
  EXPECT_EQ(std(astype(a, bfloat16)).dtype(), bfloat16);
  EXPECT_THROW(std(a, 2), std::invalid_argument);
  EXPECT_THROW(var(a, {0, 0}), std::invalid_argument);
}

TEST(Mean, of_sums_out_of_range) {
  EXPECT_EQ(float(mean(full({200'000}, 3, float16)).item<float16_t>()), 3);
  EXPECT_EQ(mean(array({INT32_MAX, INT32_MAX})).item<float>(), 0x1p31f);
  EXPECT_EQ(mean(array({true, false})).item<float>(), 0.5f);
  EXPECT_EQ(mean(array({complex64_t(1, 2), complex64_t(3, 4)})).item<complex64_t>(),
            complex64_t(2, 3));
  EXPECT_EQ(mean(array({1.0, 2.0}, float64)).item<double>(), 1.5);
  EXPECT_TRUE(std::isnan(mean(array({})).item<float>()));
  EXPECT_EQ(values_of<float>(mean(array({1, 2}), std::vector<int>{})), (std::vector<float>{1, 2}));
  EXPECT_THROW(mean(array({1}), 1), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
