#include "tarn/kernels/cpu/linalg.h"

#include <fmt/format.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"

namespace tarn::cpu {

namespace {

// LAPACK's functions by element type. It takes matrices column by column, ours are row by row, so
// it sees transposes: the rules below say what that means for each factorization.
lapack_int getrf(lapack_int n, float* a, lapack_int* pivots) {
  return LAPACKE_sgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, pivots);
}
lapack_int getrf(lapack_int n, double* a, lapack_int* pivots) {
  return LAPACKE_dgetrf_work(LAPACK_COL_MAJOR, n, n, a, n, pivots);
}
lapack_int getri(lapack_int n, float* a, const lapack_int* pivots, float* work, lapack_int size) {
  return LAPACKE_sgetri_work(LAPACK_COL_MAJOR, n, a, n, pivots, work, size);
}
lapack_int getri(lapack_int n, double* a, const lapack_int* pivots, double* work, lapack_int size) {
  return LAPACKE_dgetri_work(LAPACK_COL_MAJOR, n, a, n, pivots, work, size);
}
lapack_int getrs(lapack_int n, lapack_int k, const float* a, const lapack_int* pivots, float* b) {
  return LAPACKE_sgetrs_work(LAPACK_COL_MAJOR, 'T', n, k, a, n, pivots, b, n);
}
lapack_int getrs(lapack_int n, lapack_int k, const double* a, const lapack_int* pivots, double* b) {
  return LAPACKE_dgetrs_work(LAPACK_COL_MAJOR, 'T', n, k, a, n, pivots, b, n);
}
lapack_int potrf(char triangle, lapack_int n, float* a) {
  return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, triangle, n, a, n);
}
lapack_int potrf(char triangle, lapack_int n, double* a) {
  return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, triangle, n, a, n);
}

int64_t columns(const View& view) { return view.shape[view.ndim - 1]; }
int64_t rows(const View& view) { return view.shape[view.ndim - 2]; }

template <class T>
void require_finite(const T* a, int64_t n, const char* op, int64_t matrix) {
  if (std::all_of(a, a + n, [](T x) { return std::isfinite(x); })) return;
  throw OperationError(
      FailureKind::numerical,
      fmt::format("[{}] matrix {} of the batch has an element that is not finite", op, matrix));
}

// Factors `a` in place. The pivots are LAPACK's.
template <class T>
void factor(T* a, int64_t n, lapack_int* pivots, const char* op, int64_t matrix) {
  require_finite(a, n * n, op, matrix);
  lapack_int info = getrf(lapack_int(n), a, pivots);
  if (info == 0) return;
  throw OperationError(
      FailureKind::numerical,
      fmt::format("[{}] matrix {} of the batch is singular: U[{}, {}] is exactly 0", op, matrix,
                  info - 1, info - 1));
}

template <class T>
void inverse_of(const View& to) {
  int64_t n = rows(to);
  if (to.size == 0) return;
  std::vector<lapack_int> pivots(n);
  std::vector<T> work(std::max<int64_t>(n * 64, 1));
  // The inverse of the transpose is the transpose of the inverse.
  for (int64_t i = 0; i < to.size / (n * n); ++i) {
    T* a = to.as<T>() + i * n * n;
    factor(a, n, pivots.data(), "inv", i);
    getri(lapack_int(n), a, pivots.data(), work.data(), lapack_int(work.size()));
  }
}

template <class T>
void cholesky_of(const View& to, bool upper) {
  int64_t n = rows(to);
  if (to.size == 0) return;
  for (int64_t i = 0; i < to.size / (n * n); ++i) {
    T* a = to.as<T>() + i * n * n;
    // Our lower triangle is the upper one of the transpose that LAPACK sees.
    lapack_int info = potrf(upper ? 'L' : 'U', lapack_int(n), a);
    bool finite = info == 0;
    for (int64_t r = 0; r < n; ++r) {
      T* row = a + r * n;
      std::fill(upper ? row : row + r + 1, upper ? row + r : row + n, T(0));
      finite &= std::isfinite(row[r]);
    }
    if (finite) continue;
    throw OperationError(
        FailureKind::numerical,
        info > 0 ? fmt::format("[cholesky] matrix {} of the batch is not positive definite: its "
                               "leading minor of order {} is not",
                               i, info)
                 : fmt::format(
                       "[cholesky] matrix {} of the batch has an element that is not finite", i));
  }
}

template <class T>
void solve_of(const View& a, const View& to) {
  int64_t n = rows(to), k = columns(to);
  if (to.size == 0) return;
  std::vector<T> coefficients(a.size), right(n * k);
  View dense{coefficients.data(), a.shape, nullptr, a.ndim, a.dtype, a.size};
  Strides strides = row_major_strides(Shape(a.shape, a.shape + a.ndim));
  dense.strides = strides.data();
  copy(a, dense);
  std::vector<lapack_int> pivots(n);
  for (int64_t i = 0; i < to.size / (n * k); ++i) {
    T* matrix = coefficients.data() + i * n * n;
    T* x = to.as<T>() + i * n * k;
    factor(matrix, n, pivots.data(), "solve", i);
    require_finite(x, n * k, "solve", i);
    // Right-hand sides as columns, and the transpose of the transpose that was factored.
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < k; ++c) right[c * n + r] = x[r * k + c];
    }
    getrs(lapack_int(n), lapack_int(k), matrix, pivots.data(), right.data());
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < k; ++c) x[r * k + c] = right[c * n + r];
    }
  }
}

// Calls f<T>(…) for the element type.
#define TARN_BY_TYPE(f, dtype, ...) \
  ((dtype) == float32 ? f<float>(__VA_ARGS__) : f<double>(__VA_ARGS__))

}  // namespace

void inverse(const View& a, const View& to) {
  copy(a, to);
  TARN_BY_TYPE(inverse_of, to.dtype, to);
}

void cholesky(const View& a, bool upper, const View& to) {
  copy(a, to);
  TARN_BY_TYPE(cholesky_of, to.dtype, to, upper);
}

void solve(const View& a, const View& b, const View& to) {
  copy(b, to);
  TARN_BY_TYPE(solve_of, to.dtype, a, to);
}

}  // namespace tarn::cpu
