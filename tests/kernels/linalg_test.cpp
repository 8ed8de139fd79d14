#include "tarn/kernels/cpu/linalg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tarn/base/failure.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 2e-4 : 1e-12;

// A batch of matrices, row by row, in double.
struct Matrices {
  int64_t batch, rows, cols;
  std::vector<double> values;

  double& at(int64_t i, int64_t r, int64_t c) { return values[(i * rows + r) * cols + c]; }
};

Matrices make(int64_t batch, int64_t rows, int64_t cols) {
  return {batch, rows, cols, std::vector<double>(batch * rows * cols)};
}

template <class T>
Matrices read(TestArray& array) {
  const Shape& shape = array.shape();
  const int64_t rows = shape[shape.size() - 2];
  const int64_t cols = shape.back();
  const auto elements = array.elements<T>();
  return {rows * cols == 0 ? 0 : static_cast<int64_t>(elements.size()) / (rows * cols),
          rows,
          cols,
          {elements.begin(), elements.end()}};
}

Matrices multiply(Matrices a, Matrices b) {
  Matrices product = make(a.batch, a.rows, b.cols);
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t p = 0; p < a.cols; ++p) {
        for (int64_t c = 0; c < b.cols; ++c) product.at(i, r, c) += a.at(i, r, p) * b.at(i, p, c);
      }
    }
  }
  return product;
}

Matrices transposed(Matrices a) {
  Matrices result = make(a.batch, a.cols, a.rows);
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.cols; ++c) result.at(i, c, r) = a.at(i, r, c);
    }
  }
  return result;
}

void expect_near(const Matrices& got, const Matrices& want, double tolerance) {
  ASSERT_EQ(got.values.size(), want.values.size());
  for (size_t i = 0; i < got.values.size(); ++i) {
    ASSERT_NEAR(got.values[i], want.values[i], tolerance) << i;
  }
}

// Well conditioned, but with rows in an order that needs pivoting.
template <class T>
TestArray random_matrices(std::mt19937& random, Shape batch, int n) {
  Shape shape = std::move(batch);
  shape.insert(shape.end(), {n, n});
  TestArray a = TestArray::random_layout(dtype_of<T>, shape, random);
  a.for_each<T>([&](T& x, int64_t position) {
    const int64_t r = position / n % n;
    const int64_t c = position % n;
    x = T(pick(random, -100, 100)) / T(100 * std::sqrt(n)) + ((r + 1) % n == c ? T(3) : T(0));
  });
  return a;
}

template <class T>
class Linalg : public testing::Test {};
using Elements = testing::Types<float, double>;
TYPED_TEST_SUITE(Linalg, Elements);

// Calls f(shape of the batch, order).
template <class F>
void for_each_case(F f) {
  for (const Shape& batch : {Shape{}, Shape{3}, Shape{2, 5}, Shape{0}}) {
    for (int n : {0, 1, 2, 3, 7, 20}) f(batch, n);
  }
  f(Shape{}, 150);
  f(Shape{2}, 130);
  f(Shape{400}, 6);
}

TYPED_TEST(Linalg, inverse_times_matrix_is_identity) {
  using T = TypeParam;
  std::mt19937 random(1);
  for_each_case([&](const Shape& batch, int n) {
    TestArray a = random_matrices<T>(random, batch, n);
    TestArray to(dtype_of<T>, a.shape());
    cpu::inverse(a.view(), to.view());
    Matrices identity = read<T>(to);
    for (size_t i = 0; i < identity.values.size(); ++i) {
      identity.values[i] = i / n % n == i % n ? 1 : 0;
    }
    expect_near(multiply(read<T>(a), read<T>(to)), identity, kTolerance<T>);
  });
}

TYPED_TEST(Linalg, solve_fits_the_right_hand_sides) {
  using T = TypeParam;
  std::mt19937 random(2);
  for (int k : {1, 2, 9}) {
    for_each_case([&](Shape batch, int n) {
      TestArray a = random_matrices<T>(random, batch, n);
      batch.insert(batch.end(), {n, k});
      TestArray b = TestArray::random_layout(dtype_of<T>, batch, random);
      b.for_each<T>([&](T& x, int64_t) { x = T(pick(random, -100, 100)) / T(100); });
      TestArray to(dtype_of<T>, batch);
      cpu::solve(a.view(), b.view(), to.view());
      expect_near(multiply(read<T>(a), read<T>(to)), read<T>(b), kTolerance<T>);
    });
  }
}

TYPED_TEST(Linalg, cholesky_factors_reproduce_the_matrix) {
  using T = TypeParam;
  std::mt19937 random(3);
  for (const bool upper : {false, true}) {
    for_each_case([&](const Shape& batch, int n) {
      TestArray root = random_matrices<T>(random, batch, n);
      Matrices a = multiply(read<T>(root), transposed(read<T>(root)));
      TestArray input = TestArray::random_layout(dtype_of<T>, root.shape(), random);
      // The triangle that is not read holds something else.
      input.for_each<T>([&](T& x, int64_t position) {
        const int64_t r = position / n % n;
        const int64_t c = position % n;
        x = (upper ? c < r : c > r) ? T(77) : T(a.values[static_cast<size_t>(position)]);
      });
      TestArray to(dtype_of<T>, root.shape());
      cpu::cholesky(input.view(), upper, to.view());
      Matrices factor = read<T>(to);
      for (int64_t i = 0; i < factor.batch; ++i) {
        for (int64_t r = 0; r < n; ++r) {
          for (int64_t c = 0; c < r; ++c) {
            ASSERT_EQ(upper ? factor.at(i, r, c) : factor.at(i, c, r), 0);
          }
        }
      }
      const Matrices product =
          upper ? multiply(transposed(factor), factor) : multiply(factor, transposed(factor));
      expect_near(product, a, 20 * kTolerance<T>);
    });
  }
}

std::string failure_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const OperationError& e) {
    EXPECT_EQ(e.kind(), FailureKind::numerical);
    return e.what();
  }
  return "none";
}

// Identities, but for what `spoil` makes of the elements of one.
TestArray spoiled(const Shape& batch, int n, int64_t matrix, auto spoil) {
  Shape shape = batch;
  shape.insert(shape.end(), {n, n});
  TestArray a(float64, shape);
  a.for_each<double>([&](double& x, int64_t position) {
    const int64_t r = position / n % n;
    const int64_t c = position % n;
    x = r == c ? 1 : 0;
    if (position / (n * n) == matrix) spoil(x, r, c);
  });
  return a;
}

TEST(LinalgFailure, singular) {
  const auto zero_pivot = [](double& x, int64_t r, int64_t c) { x = r == 4 && c == 4 ? 0 : x; };
  TestArray batch = spoiled({5}, 6, 3, zero_pivot);
  TestArray to(float64, {5, 6, 6});
  EXPECT_EQ(failure_of([&] { cpu::inverse(batch.view(), to.view()); }),
            "[inv] matrix 3 of the batch is singular (U[4,4] is exactly zero)");
  EXPECT_EQ(failure_of([&] { cpu::solve(batch.view(), to.view(), to.view()); }),
            "[solve] matrix 3 of the batch is singular (U[4,4] is exactly zero)");
  TestArray one = spoiled({}, 200, 0, zero_pivot);
  TestArray large(float64, {200, 200});
  EXPECT_EQ(failure_of([&] { cpu::inverse(one.view(), large.view()); }),
            "[inv] the matrix is singular (U[4,4] is exactly zero)");
}

TEST(LinalgFailure, not_positive_definite) {
  TestArray a =
      spoiled({2}, 5, 1, [](double& x, int64_t r, int64_t c) { x = r == 2 && c == 2 ? -1 : x; });
  TestArray to(float64, {2, 5, 5});
  for (const bool upper : {false, true}) {
    EXPECT_EQ(failure_of([&] { cpu::cholesky(a.view(), upper, to.view()); }),
              "[cholesky] matrix 1 of the batch is not positive definite (its leading minor of "
              "order 3 is not)");
  }
}

TEST(LinalgFailure, not_finite) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const int n : {3, 140}) {
      TestArray a = spoiled({}, n, 0, [&](double& x, int64_t r, int64_t c) {
        if (r == 1 && c == 0) x = bad;
      });
      TestArray to(float64, {n, n});
      EXPECT_EQ(failure_of([&] { cpu::inverse(a.view(), to.view()); }),
                "[inv] the matrix has an element that is not finite");
      EXPECT_EQ(failure_of([&] { cpu::solve(a.view(), to.view(), to.view()); }),
                "[solve] the matrix has an element that is not finite");
      EXPECT_EQ(failure_of([&] { cpu::cholesky(a.view(), false, to.view()); }),
                "[cholesky] the matrix has an element that is not finite");
      // The upper factor does not read that element.
      EXPECT_EQ(failure_of([&] { cpu::cholesky(a.view(), true, to.view()); }), "none");
    }
  }
}

TEST(LinalgFailure, the_first_matrix_is_reported_whatever_the_order_of_tasks) {
  for (int round = 0; round < 10; ++round) {
    TestArray a(float32, {3000, 3, 3});
    a.for_each<float>([&](float& x, int64_t position) {
      const bool identity = position / 3 % 3 == position % 3;
      x = identity && position / 9 < 1234 ? 1 : 0;
    });
    TestArray to(float32, {3000, 3, 3});
    EXPECT_EQ(failure_of([&] { cpu::inverse(a.view(), to.view()); }),
              "[inv] matrix 1234 of the batch is singular (U[0,0] is exactly zero)");
  }
}

TEST(Solve, what_is_not_finite_stays_in_its_column) {
  TestArray a = spoiled({}, 3, 0, [](double& x, int64_t, int64_t) { x *= 2; });
  TestArray b(float64, {3, 2});
  b.set<double>({1, 2, 3, std::nan(""), 5, 6});
  TestArray to(float64, {3, 2});
  cpu::solve(a.view(), b.view(), to.view());
  const auto x = to.elements<double>();
  EXPECT_EQ(x[0], 0.5);
  EXPECT_EQ(x[2], 1.5);
  EXPECT_EQ(x[4], 2.5);
  EXPECT_TRUE(std::isnan(x[3]));
}

}  // namespace
}  // namespace tarn
