// Batches of matrices in double precision, complex where they have to be, for tests of linear
// algebra.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "tarn/base/failure.h"
#include "tests/kernels/test_array.h"

namespace tarn {

using Number = std::complex<double>;

template <class T>
constexpr double kTolerance = std::is_same_v<T, double> ? 1e-12 : 2e-4;

// Row by row.
struct Matrices {
  int64_t batch, rows, cols;
  std::vector<Number> values;

  Number& at(int64_t i, int64_t r, int64_t c) { return values[(i * rows + r) * cols + c]; }
};

inline Matrices make(int64_t batch, int64_t rows, int64_t cols) {
  return {batch, rows, cols, std::vector<Number>(batch * rows * cols)};
}

template <class T>
Number to_number(T x) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return {x.real(), x.imag()};
  } else {
    return double(x);
  }
}

// Of an array with a batch: a vector counts as one column.
template <class T>
Matrices read(TestArray& array, bool vectors = false) {
  const Shape& shape = array.shape();
  const size_t last = shape.size() - (vectors ? 1 : 2);
  Matrices result = make(size_of_shape(Shape(shape.begin(), shape.begin() + last)), shape[last],
                         vectors ? 1 : shape.back());
  array.for_each<T>([&](const T& x, int64_t i) { result.values[size_t(i)] = to_number(x); });
  return result;
}

inline Matrices multiply(Matrices a, Matrices b) {
  EXPECT_EQ(a.cols, b.rows);
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

// Conjugated, too.
inline Matrices adjoint(Matrices a) {
  Matrices result = make(a.batch, a.cols, a.rows);
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.cols; ++c) result.at(i, c, r) = std::conj(a.at(i, r, c));
    }
  }
  return result;
}

// The first rows and columns.
inline Matrices corner(Matrices a, int64_t rows, int64_t cols) {
  Matrices result = make(a.batch, rows, cols);
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) result.at(i, r, c) = a.at(i, r, c);
    }
  }
  return result;
}

// Column c multiplied by number c of the column vectors.
inline Matrices scale_columns(Matrices a, Matrices by) {
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.cols; ++c) a.at(i, r, c) *= by.at(i, c, 0);
    }
  }
  return a;
}

inline Matrices identities(int64_t batch, int64_t n) {
  Matrices result = make(batch, n, n);
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t r = 0; r < n; ++r) result.at(i, r, r) = 1;
  }
  return result;
}

inline void expect_near(const Matrices& got, const Matrices& want, double tolerance) {
  ASSERT_EQ(got.values.size(), want.values.size());
  for (size_t i = 0; i < got.values.size(); ++i) {
    ASSERT_LE(std::abs(got.values[i] - want.values[i]), tolerance)
        << i << ": " << got.values[i] << " is not " << want.values[i];
  }
}

inline void expect_orthonormal_columns(const Matrices& a, double tolerance) {
  expect_near(multiply(adjoint(a), a), identities(a.batch, a.cols), tolerance);
}

inline void expect_triangle(Matrices a, bool upper) {
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.cols; ++c) {
        if (upper ? c < r : c > r) {
          ASSERT_EQ(a.at(i, r, c), 0.0);
        }
      }
    }
  }
}

inline Shape with_last(Shape batch, std::initializer_list<int> last) {
  batch.insert(batch.end(), last.begin(), last.end());
  return batch;
}

// Elements of size 1 / sqrt(n), in a random layout.
template <class T>
TestArray random_matrices(std::mt19937& random, const Shape& batch, int m, int n) {
  TestArray a = TestArray::random_layout(dtype_of<T>, with_last(batch, {m, n}), random);
  const auto part = [&] { return float(pick(random, -100, 100)) / (100 * std::sqrt(float(n))); };
  a.for_each<T>([&](T& x, int64_t) {
    if constexpr (std::is_same_v<T, complex64_t>) {
      const float real = part();
      x = {real, part()};
    } else {
      x = T(part());
    }
  });
  return a;
}

// Well conditioned, but with rows in an order that needs pivoting.
template <class T>
TestArray random_invertible(std::mt19937& random, const Shape& batch, int n) {
  TestArray a = random_matrices<T>(random, batch, n, n);
  a.for_each<T>([&](T& x, int64_t position) {
    if ((position / n % n + 1) % n == position % n) x += T(3);
  });
  return a;
}

// Calls f(shape of the batch, order).
template <class F>
void for_each_square(F f) {
  for (const Shape& batch : {Shape{}, Shape{3}, Shape{2, 5}, Shape{0}}) {
    for (int n : {0, 1, 2, 3, 7, 20}) f(batch, n);
  }
  f(Shape{}, 150);
  f(Shape{3}, 130);
  f(Shape{400}, 6);
}

// Calls f(shape of the batch, rows, columns).
template <class F>
void for_each_rectangle(F f) {
  for (const Shape& batch : {Shape{}, Shape{3}, Shape{2, 2}, Shape{0}}) {
    for (int m : {0, 1, 2, 5, 12}) {
      for (int n : {0, 1, 3, 5, 9}) f(batch, m, n);
    }
  }
  f(Shape{}, 150, 140);
  f(Shape{}, 133, 170);
  f(Shape{2}, 200, 20);
}

inline std::string failure_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const OperationError& e) {
    EXPECT_EQ(e.kind(), FailureKind::numerical);
    return e.what();
  }
  return "none";
}

// Identities, but for what spoil(element, row, column) makes of the elements of one.
inline TestArray spoiled(const Shape& batch, int n, int64_t matrix, auto spoil) {
  TestArray a(float64, with_last(batch, {n, n}));
  a.for_each<double>([&](double& x, int64_t position) {
    const int64_t r = position / n % n;
    const int64_t c = position % n;
    x = r == c ? 1 : 0;
    if (position / (n * n) == matrix) spoil(x, r, c);
  });
  return a;
}

}  // namespace tarn
