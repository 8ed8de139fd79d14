// LU, QR, singular values, eigenvalues and determinants: factors are multiplied together again.
#include <type_traits>

#include "tarn/kernels/cpu/linalg.h"
#include "tests/kernels/matrices.h"

namespace tarn {
namespace {

template <class T>
using RealOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
class RealFactors : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(RealFactors, Reals);

template <class T>
class Factors : public testing::Test {};
using Numbers = testing::Types<float, double, complex64_t>;
TYPED_TEST_SUITE(Factors, Numbers);

TYPED_TEST(RealFactors, lu) {
  using T = TypeParam;
  std::mt19937 random(1);
  for_each_rectangle([&](const Shape& batch, int m, int n) {
    const int k = std::min(m, n);
    TestArray a = random_matrices<T>(random, batch, m, n);
    TestArray indices(uint32, with_last(batch, {m}));
    TestArray l(dtype_of<T>, with_last(batch, {m, k}));
    TestArray u(dtype_of<T>, with_last(batch, {k, n}));
    cpu::lu(a.view(), indices.view(), l.view(), u.view());
    Matrices lower = read<T>(l);
    expect_triangle(lower, false);
    expect_triangle(read<T>(u), true);
    Matrices picked = lower;
    Matrices from = read<uint32_t>(indices, true);
    for (int64_t i = 0; i < picked.batch; ++i) {
      for (int64_t r = 0; r < m; ++r) {
        for (int64_t c = 0; c < k; ++c) {
          if (r == c) {
            ASSERT_EQ(lower.at(i, r, c), 1.0);
          }
          ASSERT_LE(std::abs(lower.at(i, r, c)), 1.0);
          picked.at(i, r, c) = lower.at(i, int64_t(from.at(i, r, 0).real()), c);
        }
      }
    }
    expect_near(multiply(picked, read<T>(u)), read<T>(a), kTolerance<T>);
  });
}

TYPED_TEST(RealFactors, lu_factor) {
  using T = TypeParam;
  std::mt19937 random(2);
  for_each_rectangle([&](const Shape& batch, int m, int n) {
    const int k = std::min(m, n);
    TestArray a = random_matrices<T>(random, batch, m, n);
    TestArray packed(dtype_of<T>, a.shape());
    TestArray pivots(uint32, with_last(batch, {k}));
    cpu::lu_factor(a.view(), packed.view(), pivots.view());
    Matrices factors = read<T>(packed), swaps = read<uint32_t>(pivots, true), moved = read<T>(a);
    Matrices l = make(factors.batch, m, k), u = make(factors.batch, k, n);
    for (int64_t i = 0; i < factors.batch; ++i) {
      for (int64_t r = 0; r < m; ++r) {
        for (int64_t c = 0; c < n; ++c) {
          if (c >= r) u.at(i, r, c) = factors.at(i, r, c);
          if (c <= r && c < k) l.at(i, r, c) = c == r ? 1.0 : factors.at(i, r, c);
        }
      }
      for (int64_t r = 0; r < k; ++r) {
        const auto other = int64_t(swaps.at(i, r, 0).real());
        ASSERT_LT(other, m);
        for (int64_t c = 0; c < n; ++c) std::swap(moved.at(i, r, c), moved.at(i, other, c));
      }
    }
    expect_near(multiply(l, u), moved, kTolerance<T>);
  });
}

// The sum over all permutations.
double determinant_by_definition(Matrices& a, int64_t i) {
  std::vector<int> order(size_t(a.rows));
  std::iota(order.begin(), order.end(), 0);
  double sum = 0;
  do {
    double product = 1;
    for (int r = 0; r < a.rows; ++r) {
      product *= a.at(i, r, order[size_t(r)]).real();
      for (int q = 0; q < r; ++q) product *= order[size_t(q)] > order[size_t(r)] ? -1 : 1;
    }
    sum += product;
  } while (std::next_permutation(order.begin(), order.end()));
  return sum;
}

TYPED_TEST(RealFactors, determinants) {
  using T = TypeParam;
  std::mt19937 random(3);
  for (int n = 0; n <= 6; ++n) {
    TestArray a = random_matrices<T>(random, {4, 5}, n, n);
    TestArray det(dtype_of<T>, {4, 5}), sign(dtype_of<T>, {4, 5}), log(dtype_of<T>, {4, 5});
    cpu::determinant(a.view(), det.view());
    cpu::log_determinant(a.view(), sign.view(), log.view());
    Matrices values = read<T>(a);
    for (size_t i = 0; i < 20; ++i) {
      const double want = determinant_by_definition(values, int64_t(i));
      ASSERT_NEAR(det.elements<T>()[i], want, kTolerance<T>);
      ASSERT_NEAR(sign.elements<T>()[i] * std::exp(log.elements<T>()[i]), want, kTolerance<T>);
    }
  }
}

TYPED_TEST(RealFactors, determinants_at_the_ends_of_the_range) {
  using T = TypeParam;
  constexpr int kN = 200;
  for (const double size : {0.01, 100.0}) {
    TestArray a(dtype_of<T>, {kN, kN});
    a.for_each<T>([&](T& x, int64_t i) { x = i / kN == i % kN ? T(i == 0 ? -size : size) : T(0); });
    TestArray det(dtype_of<T>, {}), sign(dtype_of<T>, {}), log(dtype_of<T>, {});
    cpu::determinant(a.view(), det.view());
    cpu::log_determinant(a.view(), sign.view(), log.view());
    EXPECT_EQ(det.elements<T>()[0], size < 1 ? T(-0.0) : T(-HUGE_VAL));
    EXPECT_EQ(sign.elements<T>()[0], T(-1));
    EXPECT_NEAR(log.elements<T>()[0], kN * std::log(size), 1e-3);
  }
  TestArray singular(dtype_of<T>, {3, 3});
  singular.set<T>({1, 2, 3, 4, 5, 6, 1, 2, 3});
  TestArray det(dtype_of<T>, {}), sign(dtype_of<T>, {}), log(dtype_of<T>, {});
  cpu::determinant(singular.view(), det.view());
  cpu::log_determinant(singular.view(), sign.view(), log.view());
  EXPECT_EQ(det.elements<T>()[0], T(0));
  EXPECT_EQ(sign.elements<T>()[0], T(0));
  EXPECT_EQ(log.elements<T>()[0], T(-HUGE_VAL));
}

TYPED_TEST(RealFactors, qr) {
  using T = TypeParam;
  std::mt19937 random(4);
  for_each_rectangle([&](const Shape& batch, int m, int n) {
    const int k = std::min(m, n);
    TestArray a = random_matrices<T>(random, batch, m, n);
    TestArray q(dtype_of<T>, with_last(batch, {m, k}));
    TestArray r(dtype_of<T>, with_last(batch, {k, n}));
    cpu::qr(a.view(), q.view(), r.view());
    expect_triangle(read<T>(r), true);
    expect_orthonormal_columns(read<T>(q), kTolerance<T>);
    expect_near(multiply(read<T>(q), read<T>(r)), read<T>(a), kTolerance<T>);
  });
}

TYPED_TEST(Factors, svd) {
  using T = TypeParam;
  using Real = RealOf<T>;
  std::mt19937 random(5);
  for (const bool full : {false, true}) {
    for_each_rectangle([&](const Shape& batch, int m, int n) {
      const int k = std::min(m, n);
      TestArray a = random_matrices<T>(random, batch, m, n);
      TestArray u(dtype_of<T>, with_last(batch, {m, full ? m : k}));
      TestArray s(dtype_of<Real>, with_last(batch, {k}));
      TestArray vt(dtype_of<T>, with_last(batch, {full ? n : k, n}));
      const View u_view = u.view(), vt_view = vt.view();
      cpu::svd(a.view(), &u_view, s.view(), &vt_view);
      const Matrices left = read<T>(u), right = read<T>(vt);
      Matrices values = read<Real>(s, true);
      expect_orthonormal_columns(left, kTolerance<T>);
      expect_orthonormal_columns(adjoint(right), kTolerance<T>);
      for (int64_t i = 0; i < values.batch; ++i) {
        for (int64_t j = 0; j < k; ++j) {
          ASSERT_GE(values.at(i, j, 0).real(), 0);
          if (j > 0) {
            ASSERT_LE(values.at(i, j, 0).real(), values.at(i, j - 1, 0).real());
          }
        }
      }
      const Matrices scaled = scale_columns(corner(left, m, k), values);
      expect_near(multiply(scaled, corner(right, k, n)), read<T>(a), kTolerance<T>);

      TestArray alone(dtype_of<Real>, s.shape());
      cpu::svd(a.view(), nullptr, alone.view(), nullptr);
      expect_near(read<Real>(alone, true), values, kTolerance<T>);
    });
  }
}

// The other triangle holds something else.
template <class T>
TestArray random_hermitian(std::mt19937& random, const Shape& batch, int n, bool upper,
                           Matrices& full) {
  TestArray a = random_matrices<T>(random, batch, n, n);
  full = read<T>(a);
  for (int64_t i = 0; i < full.batch; ++i) {
    for (int64_t r = 0; r < n; ++r) {
      full.at(i, r, r) = full.at(i, r, r).real();
      for (int64_t c = 0; c < n; ++c) {
        if (upper ? c < r : c > r) full.at(i, r, c) = std::conj(full.at(i, c, r));
      }
    }
  }
  a.for_each<T>([&](T& x, int64_t position) {
    const int64_t r = position / n % n;
    const int64_t c = position % n;
    if (r == c) x = T(full.values[size_t(position)].real());
    if (upper ? c < r : c > r) x = T(float(NAN));
  });
  return a;
}

TYPED_TEST(Factors, eigh) {
  using T = TypeParam;
  using Real = RealOf<T>;
  std::mt19937 random(6);
  for (const bool upper : {false, true}) {
    for_each_square([&](const Shape& batch, int n) {
      Matrices full;
      TestArray a = random_hermitian<T>(random, batch, n, upper, full);
      TestArray values(dtype_of<Real>, with_last(batch, {n}));
      TestArray vectors(dtype_of<T>, a.shape());
      const View vectors_view = vectors.view();
      cpu::eigh(a.view(), upper, values.view(), &vectors_view);
      Matrices v = read<T>(vectors), w = read<Real>(values, true);
      for (int64_t i = 0; i < w.batch; ++i) {
        for (int64_t j = 1; j < n; ++j) ASSERT_LE(w.at(i, j - 1, 0).real(), w.at(i, j, 0).real());
      }
      expect_orthonormal_columns(v, kTolerance<T>);
      expect_near(multiply(full, v), scale_columns(v, w), kTolerance<T>);

      TestArray alone(dtype_of<Real>, values.shape());
      cpu::eigh(a.view(), upper, alone.view(), nullptr);
      expect_near(read<Real>(alone, true), w, kTolerance<T>);
    });
  }
}

TYPED_TEST(Factors, eig) {
  using T = TypeParam;
  std::mt19937 random(7);
  for_each_square([&](const Shape& batch, int n) {
    TestArray a = random_matrices<T>(random, batch, n, n);
    TestArray values(complex64, with_last(batch, {n}));
    TestArray vectors(complex64, a.shape());
    const View vectors_view = vectors.view();
    cpu::eig(a.view(), values.view(), &vectors_view);
    Matrices v = read<complex64_t>(vectors), w = read<complex64_t>(values, true);
    expect_near(multiply(read<T>(a), v), scale_columns(v, w), kTolerance<complex64_t>);
    Number sum = 0, trace = 0;
    Matrices matrices = read<T>(a);
    for (int64_t i = 0; i < w.batch; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double length = 0;
        for (int64_t r = 0; r < n; ++r) length += std::norm(v.at(i, r, j));
        ASSERT_NEAR(length, 1, kTolerance<complex64_t>);
        sum += w.at(i, j, 0);
        trace += matrices.at(i, j, j);
      }
    }
    ASSERT_LE(std::abs(sum - trace), 20 * kTolerance<complex64_t>);

    TestArray alone(complex64, values.shape());
    cpu::eig(a.view(), alone.view(), nullptr);
    Matrices single = read<complex64_t>(alone, true);
    Number sum_alone = 0;
    for (const Number& x : single.values) sum_alone += x;
    ASSERT_LE(std::abs(sum_alone - trace), 20 * kTolerance<complex64_t>);
  });
}

TEST(FactorFailure, elements_that_are_not_finite) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const int n : {4, 150}) {
      TestArray a = spoiled({3}, n, 2, [&](double& x, int64_t r, int64_t c) {
        if (r == 2 && c == 1) x = bad;
      });
      TestArray first(float64, {3, n, n}), second(float64, {3, n, n}), values(float64, {3, n});
      TestArray indices(uint32, {3, n}), complex_values(complex64, {3, n});
      const View u = first.view(), vt = second.view();
      const auto expect = [&](const std::string& op, const std::function<void()>& run) {
        EXPECT_EQ(failure_of(run),
                  "[" + op + "] matrix 2 of the batch has an element that is not finite");
      };
      expect("lu", [&] { cpu::lu(a.view(), indices.view(), u, vt); });
      expect("lu_factor", [&] { cpu::lu_factor(a.view(), u, indices.view()); });
      expect("det", [&] { cpu::determinant(a.view(), values.view()); });
      expect("slogdet", [&] { cpu::log_determinant(a.view(), values.view(), values.view()); });
      expect("qr", [&] { cpu::qr(a.view(), u, vt); });
      expect("svd", [&] { cpu::svd(a.view(), &u, values.view(), &vt); });
      expect("eigh", [&] { cpu::eigh(a.view(), false, values.view(), &u); });
      expect("eig", [&] { cpu::eig(a.view(), complex_values.view(), nullptr); });
      EXPECT_EQ(failure_of([&] { cpu::eigh(a.view(), true, values.view(), &u); }), "none");
    }
  }
}

TEST(FactorFailure, overflow) {
  for (const int n : {2, 150}) {
    TestArray a =
        spoiled({}, n, 0, [](double& x, int64_t, int64_t c) { x = c == 0 ? 1.7e308 : x; });
    TestArray q(float64, {n, n}), r(float64, {n, n});
    EXPECT_EQ(failure_of([&] { cpu::qr(a.view(), q.view(), r.view()); }),
              "[qr] the matrix has a result that overflows");
  }
}

TEST(Lu, a_singular_matrix_has_factors) {
  TestArray a(float64, {2, 2});
  a.set<double>({0, 0, 0, 5});
  TestArray indices(uint32, {2}), l(float64, {2, 2}), u(float64, {2, 2});
  cpu::lu(a.view(), indices.view(), l.view(), u.view());
  EXPECT_EQ(u.elements<double>(), (std::vector<double>{0, 0, 0, 5}));
}

}  // namespace
}  // namespace tarn
