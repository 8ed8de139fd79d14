#include "tarn/kernels/cpu/linalg.h"

#include <cblas.h>
#include <fmt/format.h>
#include <lapacke.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

// Note [Transposed factors]
// LAPACK takes matrices column by column, ours are row by row, so it sees Aᵀ. Inverting commutes
// with that. A Cholesky factor is found in the other triangle. From the LU factors, Aᵀ = P L U, it
// follows that A = Uᵀ Lᵀ Pᵀ: of the memory of L and U, read row by row, the lower triangle is Uᵀ
// and the upper one, with ones on the diagonal, Lᵀ.

template <class T>
struct Lapack;
template <>
struct Lapack<float> {
  static constexpr auto* getrf = LAPACKE_sgetrf_work;
  static constexpr auto* getri = LAPACKE_sgetri_work;
  static constexpr auto* potrf = LAPACKE_spotrf_work;
  static constexpr auto* trsm = cblas_strsm;
};
template <>
struct Lapack<double> {
  static constexpr auto* getrf = LAPACKE_dgetrf_work;
  static constexpr auto* getri = LAPACKE_dgetri_work;
  static constexpr auto* potrf = LAPACKE_dpotrf_work;
  static constexpr auto* trsm = cblas_dtrsm;
};

// From this order on OpenBLAS spreads a factorization over threads of its own, and the matrices of
// a batch take turns; smaller ones are spread over ours.
constexpr int64_t kOwnThreadsOrder = 128;
// Multiplications and additions of one task.
constexpr int64_t kTaskWork = 64 << 10;

// Why a matrix has no result: LAPACK's `info`, which is positive, or one of these.
constexpr lapack_int kFine = 0;
constexpr lapack_int kNotFinite = -1;

// Calls f(i), which returns the defect of matrix i, for i < batch. Returns the first defect and
// where it is.
template <class F>
std::pair<int64_t, lapack_int> for_each_matrix(int64_t batch, int64_t order, F f) {
  std::vector<lapack_int> defects(static_cast<size_t>(batch), kFine);
  if (order >= kOwnThreadsOrder) {
    for (int64_t i = 0; i < batch; ++i) {
      if ((defects[i] = f(i)) != kFine) break;
    }
  } else {
    const int64_t grain = std::max<int64_t>(1, kTaskWork / (order * order * order));
    parallel_ranges(batch, grain, [&](RangeQueue& queue) {
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for (int64_t i = range.begin; i < range.end; ++i) defects[i] = f(i);
      }
    });
  }
  const auto first =
      std::find_if(defects.begin(), defects.end(), [](auto d) { return d != kFine; });
  if (first == defects.end()) return {-1, kFine};
  return {first - defects.begin(), *first};
}

// Throws for the first defect if there is one: "[inv] matrix 3 of the batch is singular (…)".
template <class Describe>
void throw_if_defect(const char* op, int64_t batch, std::pair<int64_t, lapack_int> defect,
                     Describe describe) {
  const auto [matrix, info] = defect;
  if (info == kFine) return;
  const std::string which =
      batch == 1 ? "the matrix" : fmt::format("matrix {} of the batch", matrix);
  throw OperationError(
      FailureKind::numerical,
      fmt::format("[{}] {} {}", op, which,
                  info == kNotFinite ? "has an element that is not finite" : describe(info)));
}

std::string describe_singular(lapack_int info) {
  return fmt::format("is singular (U[{0},{0}] is exactly zero)", info - 1);
}

template <class T>
bool all_finite(const T* begin, const T* end) {
  return std::all_of(begin, end, [](T x) { return std::isfinite(x); });
}

// Leaves LAPACK's pivots, which count from one.
template <class T>
lapack_int factor(T* a, lapack_int n, lapack_int* pivots) {
  if (!all_finite(a, a + int64_t{n} * n)) return kNotFinite;
  return Lapack<T>::getrf(LAPACK_COL_MAJOR, n, n, a, n, pivots);
}

template <class T>
lapack_int invert_matrix(T* a, lapack_int n) {
  // What getri asks for: n times its block size.
  constexpr int64_t kWorkColumns = 64;
  const std::unique_ptr<lapack_int[]> pivots(new lapack_int[n]);
  const lapack_int defect = factor(a, n, pivots.get());
  if (defect != kFine) return defect;
  const auto work_size = static_cast<lapack_int>(n * kWorkColumns);
  const std::unique_ptr<T[]> work(new T[work_size]);
  return Lapack<T>::getri(LAPACK_COL_MAJOR, n, a, n, pivots.get(), work.get(), work_size);
}

template <class T>
lapack_int factor_cholesky(T* a, lapack_int n, bool upper) {
  // LAPACK notices an infinity only when it has become a NaN, if ever.
  for (int64_t i = 0; i < n; ++i) {
    const T* const row = a + i * n;
    if (!all_finite(upper ? row + i : row, upper ? row + n : row + i + 1)) return kNotFinite;
  }
  const lapack_int info = Lapack<T>::potrf(LAPACK_COL_MAJOR, upper ? 'L' : 'U', n, a, n);
  for (int64_t i = 0; i < n; ++i) {
    T* const row = a + i * n;
    std::fill(upper ? row : row + i + 1, upper ? row + i : row + n, T{0});
  }
  return info;
}

// x holds the right-hand sides, k columns. See Note [Transposed factors].
template <class T>
lapack_int solve_matrix(T* a, lapack_int n, T* x, int64_t k) {
  const std::unique_ptr<lapack_int[]> pivots(new lapack_int[n]);
  const lapack_int defect = factor(a, n, pivots.get());
  if (defect != kFine) return defect;
  const auto solve_triangle = [&](CBLAS_UPLO triangle, CBLAS_DIAG diagonal) {
    Lapack<T>::trsm(CblasRowMajor, CblasLeft, triangle, CblasNoTrans, diagonal, n,
                    static_cast<lapack_int>(k), T{1}, a, n, x, static_cast<lapack_int>(k));
  };
  solve_triangle(CblasLower, CblasNonUnit);
  solve_triangle(CblasUpper, CblasUnit);
  for (int64_t i = n - 1; i >= 0; --i) {
    const int64_t other = pivots[i] - 1;
    if (other != i) std::swap_ranges(x + i * k, x + (i + 1) * k, x + other * k);
  }
  return kFine;
}

int64_t rows(const View& view) { return view.shape[view.ndim - 2]; }
int64_t columns(const View& view) { return view.shape[view.ndim - 1]; }

// Calls f(float()) or f(double()), as the dtype is.
template <class F>
void by_type(Dtype dtype, F f) {
  assert(dtype == float32 || dtype == float64);
  if (dtype == float32) {
    f(float());
  } else {
    f(double());
  }
}

}  // namespace

void inverse(const View& a, const View& to) {
  if (to.size == 0) return;
  copy(a, to);
  const int64_t n = rows(to);
  const int64_t batch = to.size / (n * n);
  by_type(to.dtype, [&]<class T>(T) {
    const auto defect = for_each_matrix(batch, n, [&](int64_t i) {
      return invert_matrix(to.as<T>() + i * n * n, static_cast<lapack_int>(n));
    });
    throw_if_defect("inv", batch, defect, describe_singular);
  });
}

void cholesky(const View& a, bool upper, const View& to) {
  if (to.size == 0) return;
  copy(a, to);
  const int64_t n = rows(to);
  const int64_t batch = to.size / (n * n);
  by_type(to.dtype, [&]<class T>(T) {
    const auto defect = for_each_matrix(batch, n, [&](int64_t i) {
      return factor_cholesky(to.as<T>() + i * n * n, static_cast<lapack_int>(n), upper);
    });
    throw_if_defect("cholesky", batch, defect, [](lapack_int info) {
      return fmt::format("is not positive definite (its leading minor of order {} is not)", info);
    });
  });
}

void solve(const View& a, const View& b, const View& to) {
  if (to.size == 0) return;
  copy(b, to);
  const int64_t n = rows(to);
  const int64_t k = columns(to);
  const int64_t batch = to.size / (n * k);
  by_type(to.dtype, [&]<class T>(T) {
    const std::unique_ptr<T[]> factors(new T[a.size]);
    const Strides dense = row_major_strides(Shape(a.shape, a.shape + a.ndim));
    copy(a, {factors.get(), a.shape, dense.data(), a.ndim, a.dtype, a.size});
    const auto defect = for_each_matrix(batch, n, [&](int64_t i) {
      return solve_matrix(factors.get() + i * n * n, static_cast<lapack_int>(n),
                          to.as<T>() + i * n * k, k);
    });
    throw_if_defect("solve", batch, defect, describe_singular);
  });
}

}  // namespace tarn::cpu
