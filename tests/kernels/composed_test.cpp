// What is composed of other operations: creation functions and reductions without kernels.
#include <cmath>

#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/diagonals.h"
#include "tarn/ops/functions/linalg.h"
#include "tarn/ops/functions/random.h"
#include "tarn/ops/functions/reduce.h"
#include "tests/kernels/numbered_array.h"

namespace tarn {
namespace {

TEST(Creation, full_takes_values_of_any_shape) {
  EXPECT_EQ(values_of<int>(full({2, 2}, array({1, 2}))), (std::vector<int>{1, 2, 1, 2}));
  EXPECT_EQ(full({2}, 3).dtype(), int32);
  EXPECT_EQ(full({}, true).dtype(), bool_);
  EXPECT_EQ(full({0, 2}, 1.0).shape(), (Shape{0, 2}));
  EXPECT_EQ(full({1}, 0.1, float64).item<double>(), 0.1);
  EXPECT_THROW(full({}, array({})), std::invalid_argument);
  EXPECT_THROW(full({2, -1}, 0), std::invalid_argument);

  const array a = zeros({2}, float64);
  EXPECT_EQ(full_like(a, 0.1).dtype(), float64);
  EXPECT_EQ(values_of<double>(full_like(a, 0.1))[1], 0.1);
  EXPECT_EQ(full_like(a, array(7)).dtype(), float64);
  EXPECT_EQ(full_like(a, 7, int8).dtype(), int8);
}

TEST(Creation, identity) {
  EXPECT_EQ(identity(2).dtype(), float32);
  expect_numbers(identity(3, int8), {3, 3},
                 [](const Shape& index) { return index[0] == index[1]; });
}

TEST(Creation, windows) {
  using Window = array (*)(int, StreamOrDevice);
  struct Case {
    Window window;
    double (*formula)(double x, double period);  // x from 0 to the period
  };
  constexpr double kPi = M_PI;
  const Case cases[] = {
      {bartlett, [](double x, double period) { return 1 - std::fabs(2 * x / period - 1); }},
      {blackman,
       [](double x, double period) {
         return 0.42 - 0.5 * std::cos(2 * kPi * x / period) + 0.08 * std::cos(4 * kPi * x / period);
       }},
      {hamming,
       [](double x, double period) { return 0.54 - 0.46 * std::cos(2 * kPi * x / period); }},
      {hanning, [](double x, double period) { return 0.5 - 0.5 * std::cos(2 * kPi * x / period); }},
  };
  for (const auto& [window, formula] : cases) {
    for (int M : {2, 3, 10, 1001}) {
      const array got = window(M, {});
      EXPECT_EQ(got.dtype(), float32);
      const std::vector<float> values = values_of<float>(got);
      ASSERT_EQ(int(values.size()), M);
      for (int i = 0; i < M; ++i) EXPECT_NEAR(values[i], formula(i, M - 1), 1e-6) << i;
    }
    EXPECT_EQ(values_of<float>(window(1, {})), std::vector<float>{1});
    EXPECT_EQ(window(0, {}).shape(), Shape{0});
    EXPECT_EQ(window(-3, {}).dtype(), float32);
  }
}

TEST(Creation, meshgrid) {
  const std::vector<array> axes{numbered({3}), numbered({2}), numbered({4})};
  const auto along = [](size_t axis) { return [=](const Shape& index) { return index[axis]; }; };
  std::vector<array> grids = meshgrid(axes, false, "ij");
  for (size_t i = 0; i < 3; ++i) expect_numbers(grids[i], {3, 2, 4}, along(i));
  grids = meshgrid(axes);
  expect_numbers(grids[0], {2, 3, 4}, along(1));
  expect_numbers(grids[1], {2, 3, 4}, along(0));
  expect_numbers(grids[2], {2, 3, 4}, along(2));
  grids = meshgrid(axes, true);
  EXPECT_EQ(grids[0].shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(grids[1].shape(), (Shape{2, 1, 1}));
  expect_numbers(meshgrid({numbered({2, 2}), array(5)})[1], {1, 4}, [](const Shape&) { return 5; });
  EXPECT_EQ(meshgrid({numbered({3})})[0].shape(), Shape{3});
  EXPECT_TRUE(meshgrid({}).empty());
  EXPECT_THROW(meshgrid(axes, false, "yx"), std::invalid_argument);
}

TEST(Diff, as_often_as_wanted) {
  const array a = array({1, 4, 9, 16, 25});
  EXPECT_EQ(values_of<int>(diff(a)), (std::vector<int>{3, 5, 7, 9}));
  EXPECT_EQ(values_of<int>(diff(a, 2)), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(diff(a, 0).id(), a.id());
  EXPECT_EQ(diff(a, 5).shape(), Shape{0});
  EXPECT_EQ(diff(a, INT32_MAX).shape(), Shape{0});
  EXPECT_EQ(values_of<int>(diff(numbered({2, 3}), 1, 0)), (std::vector<int>{3, 3, 3}));
  EXPECT_EQ(values_of<bool>(diff(array({true, true, false}))), (std::vector<bool>{false, true}));
  EXPECT_THROW(diff(a, -1), std::invalid_argument);
  EXPECT_THROW(diff(a, 1, 1), std::invalid_argument);
  EXPECT_THROW(diff(array(1)), std::invalid_argument);
}

TEST(CountNonzero, counts_nan_too) {
  const array a = array({0.0f, -0.0f, 1.0f, NAN, INFINITY, 0.0f}, {2, 3});
  EXPECT_EQ(count_nonzero(a).item<int>(), 3);
  EXPECT_EQ(count_nonzero(a).dtype(), int32);
  EXPECT_EQ(values_of<int>(count_nonzero(a, 1)), (std::vector<int>{1, 2}));
  EXPECT_EQ(count_nonzero(a, true).shape(), (Shape{1, 1}));
  EXPECT_EQ(values_of<int>(count_nonzero(a, std::vector<int>{})),
            (std::vector<int>{0, 0, 1, 1, 1, 0}));
  EXPECT_EQ(count_nonzero(array({true, false, true})).item<int>(), 2);
  EXPECT_THROW(count_nonzero(a, 2), std::out_of_range);
}

TEST(NumberOfElements, along_axes) {
  const array a = zeros({2, 3, 4});
  EXPECT_EQ(number_of_elements(a, {0, -1}, false).item<int>(), 8);
  EXPECT_EQ(number_of_elements(a, {}, false).item<int>(), 1);
  EXPECT_EQ(number_of_elements(a, {1}, true, float64).item<double>(), 1.0 / 3);
  EXPECT_EQ(number_of_elements(a, {1}, false, float16).dtype(), float16);
  EXPECT_THROW(number_of_elements(a, {3}, false), std::invalid_argument);
  EXPECT_THROW(number_of_elements(a, {0, 0}, false), std::invalid_argument);
}

TEST(Mistakes, are_told_under_the_name_that_was_called) {
  const array a = zeros({2, 3});
  const auto name_in = [](auto call) {
    try {
      call();
    } catch (const std::exception& error) {
      const std::string text = error.what();
      return text.substr(0, text.find(']') + 1);
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(name_in([&] { std(a, 2); }), "[std]");
  EXPECT_EQ(name_in([&] { count_nonzero(a, 2); }), "[count_nonzero]");
  EXPECT_EQ(name_in([&] { linalg::eigvals(a); }), "[eigvals]");
  EXPECT_EQ(name_in([&] { linalg::eigvalsh(a); }), "[eigvalsh]");
  EXPECT_EQ(name_in([&] { linalg::eigh(a); }), "[eigh]");
  EXPECT_EQ(name_in([&] { random::permutation(-1); }), "[permutation]");
  EXPECT_EQ(name_in([&] { trace(a, 0, 0, 2); }), "[trace]");
  EXPECT_EQ(name_in([&] { trace(zeros({3})); }), "[trace]");
  EXPECT_EQ(name_in([&] { trace(a, 0, 1, 1, float32); }), "[trace]");
}

}  // namespace
}  // namespace tarn
