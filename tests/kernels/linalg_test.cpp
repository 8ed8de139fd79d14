#include "tarn/kernels/cpu/linalg.h"

#include <thread>

#include "tests/kernels/matrices.h"

extern "C" {
[[gnu::weak]] char* openblas_get_corename();
[[gnu::weak]] int openblas_get_num_threads();
}

namespace tarn {
namespace {

TEST(OpenBlas, has_loops_for_this_processor) {
  if (openblas_get_corename == nullptr || !__builtin_cpu_supports("avx2")) GTEST_SKIP();
  EXPECT_STRNE(openblas_get_corename(), "Prescott");
}

// Which several of our threads would wait for.
TEST(OpenBlas, has_its_threads_back_after_batches) {
  if (openblas_get_num_threads == nullptr) GTEST_SKIP();
  const int before = openblas_get_num_threads();
  const auto invert = [](unsigned seed) {
    std::mt19937 random(seed);
    TestArray a = random_invertible<float>(random, {16}, 100);
    TestArray to(float32, a.shape());
    for (int i = 0; i < 5; ++i) cpu::inverse(a.view(), to.view());
    const Matrices inverse = read<float>(to);
    expect_near(multiply(read<float>(a), inverse), identities(inverse.batch, 100),
                kTolerance<float>);
  };
  {
    std::jthread other(invert, 1);
    invert(2);
  }
  EXPECT_EQ(openblas_get_num_threads(), before);
}

template <class T>
class Linalg : public testing::Test {};
using Elements = testing::Types<float, double>;
TYPED_TEST_SUITE(Linalg, Elements);

TYPED_TEST(Linalg, inverse_times_matrix_is_identity) {
  using T = TypeParam;
  std::mt19937 random(1);
  for_each_square([&](const Shape& batch, int n) {
    TestArray a = random_invertible<T>(random, batch, n);
    TestArray to(dtype_of<T>, a.shape());
    cpu::inverse(a.view(), to.view());
    const Matrices inverse = read<T>(to);
    expect_near(multiply(read<T>(a), inverse), identities(inverse.batch, n), kTolerance<T>);
  });
}

template <class T>
TestArray random_columns(std::mt19937& random, const Shape& batch, int n, int k) {
  return random_matrices<T>(random, batch, n, k);
}

TYPED_TEST(Linalg, solve_fits_the_right_hand_sides) {
  using T = TypeParam;
  std::mt19937 random(2);
  for (int k : {1, 2, 9}) {
    for_each_square([&](const Shape& batch, int n) {
      TestArray a = random_invertible<T>(random, batch, n);
      TestArray b = random_columns<T>(random, batch, n, k);
      TestArray to(dtype_of<T>, b.shape());
      cpu::solve(a.view(), b.view(), to.view());
      expect_near(multiply(read<T>(a), read<T>(to)), read<T>(b), kTolerance<T>);
    });
  }
}

TYPED_TEST(Linalg, one_matrix_solves_a_batch) {
  using T = TypeParam;
  std::mt19937 random(3);
  for (int n : {4, 140}) {
    TestArray a = random_invertible<T>(random, {2, 1}, n);
    a.broadcast_to({2, 6, n, n});
    TestArray b = random_columns<T>(random, {2, 6}, n, 3);
    TestArray to(dtype_of<T>, b.shape());
    cpu::solve(a.view(), b.view(), to.view());
    expect_near(multiply(read<T>(a), read<T>(to)), read<T>(b), kTolerance<T>);
  }
}

// One triangle, and a strong diagonal; something else in the other triangle.
template <class T>
TestArray random_triangles(std::mt19937& random, const Shape& batch, int n, bool upper) {
  TestArray a = random_matrices<T>(random, batch, n, n);
  a.for_each<T>([&](T& x, int64_t position) {
    const int64_t r = position / n % n;
    const int64_t c = position % n;
    if (r == c) x += T(3);
    if (upper ? c < r : c > r) x = T(NAN);
  });
  return a;
}

template <class T>
Matrices read_triangle(TestArray& a, bool upper) {
  Matrices result = read<T>(a);
  for (int64_t i = 0; i < result.batch; ++i) {
    for (int64_t r = 0; r < result.rows; ++r) {
      for (int64_t c = 0; c < result.cols; ++c) {
        if (upper ? c < r : c > r) result.at(i, r, c) = 0;
      }
    }
  }
  return result;
}

TYPED_TEST(Linalg, triangular_inverse_reads_and_writes_one_triangle) {
  using T = TypeParam;
  std::mt19937 random(4);
  for (const bool upper : {false, true}) {
    for_each_square([&](const Shape& batch, int n) {
      TestArray a = random_triangles<T>(random, batch, n, upper);
      TestArray to(dtype_of<T>, a.shape());
      cpu::triangular_inverse(a.view(), upper, to.view());
      const Matrices inverse = read<T>(to);
      expect_triangle(inverse, upper);
      expect_near(multiply(read_triangle<T>(a, upper), inverse), identities(inverse.batch, n),
                  kTolerance<T>);
    });
  }
}

TYPED_TEST(Linalg, solve_triangular_fits_the_right_hand_sides) {
  using T = TypeParam;
  std::mt19937 random(5);
  for (const bool upper : {false, true}) {
    for (int k : {1, 4}) {
      for_each_square([&](const Shape& batch, int n) {
        TestArray a = random_triangles<T>(random, batch, n, upper);
        TestArray b = random_columns<T>(random, batch, n, k);
        TestArray to(dtype_of<T>, b.shape());
        cpu::solve_triangular(a.view(), b.view(), upper, to.view());
        expect_near(multiply(read_triangle<T>(a, upper), read<T>(to)), read<T>(b), kTolerance<T>);
      });
    }
  }
}

// Rows or columns of adjacent elements, and neither.
TYPED_TEST(Linalg, solve_triangular_reads_views_of_larger_matrices) {
  using T = TypeParam;
  std::mt19937 random(6);
  constexpr int kN = 30;
  const int64_t capacity = int64_t{4} * kN * kN * 2;
  for (const Strides& strides : {Strides{2 * kN, 1}, Strides{1, 2 * kN}, Strides{4 * kN, 2}}) {
    for (const bool upper : {false, true}) {
      TestArray values = random_triangles<T>(random, {}, kN, upper);
      TestArray a(dtype_of<T>, Layout{{kN, kN}, strides, 0}, capacity);
      a.set(values.elements<T>());
      TestArray b = random_columns<T>(random, {}, kN, 3);
      TestArray to(dtype_of<T>, b.shape());
      cpu::solve_triangular(a.view(), b.view(), upper, to.view());
      expect_near(multiply(read_triangle<T>(a, upper), read<T>(to)), read<T>(b), kTolerance<T>);
    }
  }
}

TYPED_TEST(Linalg, cholesky_factors_reproduce_the_matrix) {
  using T = TypeParam;
  std::mt19937 random(7);
  for (const bool upper : {false, true}) {
    for_each_square([&](const Shape& batch, int n) {
      TestArray root = random_invertible<T>(random, batch, n);
      Matrices a = multiply(read<T>(root), adjoint(read<T>(root)));
      TestArray input = TestArray::random_layout(dtype_of<T>, root.shape(), random);
      // The triangle that is not read holds something else.
      input.for_each<T>([&](T& x, int64_t position) {
        const int64_t r = position / n % n;
        const int64_t c = position % n;
        x = (upper ? c < r : c > r) ? T(NAN) : T(a.values[static_cast<size_t>(position)].real());
      });
      TestArray to(dtype_of<T>, root.shape());
      cpu::cholesky(input.view(), upper, to.view());
      const Matrices factor = read<T>(to);
      expect_triangle(factor, upper);
      const Matrices product =
          upper ? multiply(adjoint(factor), factor) : multiply(factor, adjoint(factor));
      expect_near(product, a, 20 * kTolerance<T>);
    });
  }
}

TEST(LinalgFailure, singular) {
  const auto zero_pivot = [](double& x, int64_t r, int64_t c) { x = r == 4 && c == 4 ? 0 : x; };
  TestArray batch = spoiled({5}, 6, 3, zero_pivot);
  TestArray to(float64, {5, 6, 6});
  EXPECT_EQ(failure_of([&] { cpu::inverse(batch.view(), to.view()); }),
            "[inv] matrix 3 of the batch is singular (U[4,4] is exactly zero)");
  EXPECT_EQ(failure_of([&] { cpu::solve(batch.view(), to.view(), to.view()); }),
            "[solve] matrix 3 of the batch is singular (U[4,4] is exactly zero)");
  EXPECT_EQ(failure_of([&] { cpu::triangular_inverse(batch.view(), true, to.view()); }),
            "[tri_inv] matrix 3 of the batch is singular (its element [4,4] is exactly zero)");
  EXPECT_EQ(
      failure_of([&] { cpu::solve_triangular(batch.view(), to.view(), false, to.view()); }),
      "[solve_triangular] matrix 3 of the batch is singular (its element [4,4] is exactly zero)");
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
  const std::string why = " the matrix has an element that is not finite";
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const int n : {3, 140}) {
      TestArray a = spoiled({}, n, 0, [&](double& x, int64_t r, int64_t c) {
        if (r == 1 && c == 0) x = bad;
      });
      TestArray to(float64, {n, n});
      EXPECT_EQ(failure_of([&] { cpu::inverse(a.view(), to.view()); }), "[inv]" + why);
      EXPECT_EQ(failure_of([&] { cpu::solve(a.view(), to.view(), to.view()); }), "[solve]" + why);
      // What reads one triangle does not mind the other.
      for (const bool upper : {false, true}) {
        const auto name = [&](const char* op) { return upper ? "none" : op + why; };
        EXPECT_EQ(failure_of([&] { cpu::cholesky(a.view(), upper, to.view()); }),
                  name("[cholesky]"));
        EXPECT_EQ(failure_of([&] { cpu::triangular_inverse(a.view(), upper, to.view()); }),
                  name("[tri_inv]"));
        EXPECT_EQ(failure_of([&] { cpu::solve_triangular(a.view(), to.view(), upper, to.view()); }),
                  name("[solve_triangular]"));
      }
    }
  }
}

TEST(LinalgFailure, overflow) {
  TestArray a = spoiled({}, 2, 0, [](double& x, int64_t r, int64_t c) { x = r == c ? 1e-310 : 0; });
  TestArray to(float64, {2, 2});
  EXPECT_EQ(failure_of([&] { cpu::inverse(a.view(), to.view()); }),
            "[inv] the matrix has a result that overflows");
  EXPECT_EQ(failure_of([&] { cpu::triangular_inverse(a.view(), true, to.view()); }),
            "[tri_inv] the matrix has a result that overflows");
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
