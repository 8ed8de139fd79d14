// What is made of LU factors: inverses, solutions, determinants, the factors themselves.
#include <fmt/format.h>

#include <numeric>

#include "tarn/kernels/cpu/lapack.h"
#include "tarn/kernels/cpu/linalg.h"

namespace tarn::cpu {

namespace {

std::string describe_singular(lapack_int info) {
  return fmt::format("is singular (U[{0},{0}] is exactly zero)", info - 1);
}

// Factors a matrix in place, as LAPACK sees it. Leaves its pivots, which count from one.
template <class T>
lapack_int factor_lu(T* a, int64_t n_rows, int64_t n_columns, lapack_int* pivots) {
  if (!all_finite(a, n_rows * n_columns)) return kNotFinite;
  const lapack_int info = Lapack<T>::getrf(LAPACK_COL_MAJOR, lapack_size(n_rows),
                                           lapack_size(n_columns), a, lapack_size(n_rows), pivots);
  return all_finite(a, n_rows * n_columns) ? info : kOverflow;
}

template <class T>
auto make_inverter(int64_t n) {
  // What getri asks for: n times its block size.
  constexpr int64_t kWorkColumns = 64;
  const lapack_int work_size = workspace_size("inv", static_cast<double>(n * kWorkColumns));
  return [n = lapack_size(n), work_size, pivots = std::make_unique<lapack_int[]>(n),
          work = std::unique_ptr<T[]>(new T[work_size])](T* a) {
    const lapack_int defect = factor_lu(a, n, n, pivots.get());
    if (defect != kFine) return defect;
    const lapack_int info =
        Lapack<T>::getri(LAPACK_COL_MAJOR, n, a, n, pivots.get(), work.get(), work_size);
    return all_finite(a, int64_t{n} * n) ? info : kOverflow;
  };
}

// Solves systems one after another. Those of a broadcast matrix share its factors.
template <class T>
class Solver {
 public:
  explicit Solver(int64_t n) : n_(n), factors_(new T[n * n]), pivots_(new lapack_int[n]) {}

  // x holds k right-hand sides, row by row, and then the solutions.
  lapack_int solve(const View& a, T* x, int64_t k) {
    if (a.data != factored_) {
      factored_ = nullptr;
      copy_by_rows(a, factors_.get());
      const lapack_int defect = factor_lu(factors_.get(), n_, n_, pivots_.get());
      if (defect != kFine) return defect;
      factored_ = a.data;
    }
    // See Note [Transposed factors].
    solve_triangle(CblasLower, CblasNonUnit, x, k);
    solve_triangle(CblasUpper, CblasUnit, x, k);
    for (int64_t i = n_ - 1; i >= 0; --i) {
      const int64_t other = pivots_[i] - 1;
      if (other != i) std::swap_ranges(x + i * k, x + (i + 1) * k, x + other * k);
    }
    return kFine;
  }

 private:
  void solve_triangle(CBLAS_UPLO triangle, CBLAS_DIAG diagonal, T* x, int64_t k) const {
    Lapack<T>::trsm(CblasRowMajor, CblasLeft, triangle, CblasNoTrans, diagonal, lapack_size(n_),
                    lapack_size(k), T{1}, factors_.get(), lapack_size(n_), x, lapack_size(k));
  }

  const int64_t n_;
  const std::unique_ptr<T[]> factors_;
  const std::unique_ptr<lapack_int[]> pivots_;
  const void* factored_ = nullptr;
};

// A matrix by columns and its pivots.
template <class T>
struct LuFactors {
  LuFactors(int64_t n_rows, int64_t n_columns)
      : n_rows(n_rows),
        n_columns(n_columns),
        columns(new T[n_rows * n_columns]),
        pivots(new lapack_int[std::min(n_rows, n_columns)]) {}

  // A singular matrix has factors like any other.
  lapack_int factor(const View& a) const {
    copy_by_columns(a, columns.get());
    if (a.size == 0) return kFine;
    return std::min(factor_lu(columns.get(), n_rows, n_columns, pivots.get()), kFine);
  }

  const int64_t n_rows, n_columns;
  const std::unique_ptr<T[]> columns;
  const std::unique_ptr<lapack_int[]> pivots;
};

// Where row i of the matrix is among the rows of L U.
void find_rows(const lapack_int* pivots, int64_t n_pivots, int64_t n_rows, uint32_t* found) {
  std::vector<uint32_t> order(n_rows);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = 0; i < n_pivots; ++i) std::swap(order[i], order[pivots[i] - 1]);
  for (int64_t i = 0; i < n_rows; ++i) found[order[i]] = static_cast<uint32_t>(i);
}

// mantissa * 2^exponent: the product of the diagonal may leave the range that the result is in.
struct Determinant {
  double mantissa = 1;
  int64_t exponent = 0;

  void multiply(double x) {
    int shift;
    mantissa = std::frexp(mantissa * x, &shift);
    exponent += shift;
  }
  double value() const {
    return std::ldexp(mantissa, static_cast<int>(std::clamp<int64_t>(exponent, -5000, 5000)));
  }
  double sign() const { return (mantissa > 0) - (mantissa < 0); }
  double log() const {
    return std::log(std::fabs(mantissa)) + static_cast<double>(exponent) * M_LN2;
  }
};

// Calls store(i, determinant of matrix i).
template <class Store>
void for_each_determinant(const char* op, const View& a, Store store) {
  const MatrixBatch matrices(a);
  const int64_t n = rows(a);
  by_real_type(a.dtype, [&]<class T>(T) {
    const auto make_work = [&] {
      return [&, factors = std::unique_ptr<T[]>(new T[n * n]),
              pivots = std::make_unique<lapack_int[]>(n)](int64_t i) {
        copy_by_rows(matrices[i], factors.get());
        Determinant determinant;
        if (n > 0) {
          const lapack_int defect = factor_lu(factors.get(), n, n, pivots.get());
          if (defect < kFine) return defect;
        }
        for (int64_t j = 0; j < n; ++j) {
          determinant.multiply(pivots[j] == j + 1 ? factors[j * n + j] : -factors[j * n + j]);
        }
        store(i, determinant);
        return kFine;
      };
    };
    const Defect defect = for_each_matrix(matrices.size(), n, make_work);
    throw_if_defect(op, matrices.size(), defect, describe_singular);
  });
}

}  // namespace

void inverse(const View& a, const View& to) {
  if (to.size == 0) return;
  copy(a, to);
  const int64_t n = rows(to);
  const int64_t batch = to.size / (n * n);
  by_real_type(to.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(batch, n, [&] {
      return
          [&, invert = make_inverter<T>(n)](int64_t i) { return invert(to.as<T>() + i * n * n); };
    });
    throw_if_defect("inv", batch, defect, describe_singular);
  });
}

void solve(const View& a, const View& b, const View& to) {
  if (to.size == 0) return;
  copy(b, to);
  const int64_t n = rows(to);
  const int64_t k = columns(to);
  const MatrixBatch matrices(a);
  by_real_type(to.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), n, [&] {
      return [&, solver = Solver<T>(n)](int64_t i) mutable {
        return solver.solve(matrices[i], to.as<T>() + i * n * k, k);
      };
    });
    throw_if_defect("solve", matrices.size(), defect, describe_singular);
  });
}

void lu(const View& a, const View& row_indices, const View& l, const View& u) {
  const MatrixBatch matrices(a), ls(l), us(u);
  const int64_t m = rows(a), n = columns(a), k = std::min(m, n);
  by_real_type(a.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), k, [&] {
      return [&, factors = LuFactors<T>(m, n)](int64_t i) {
        const lapack_int defect = factors.factor(matrices[i]);
        if (defect != kFine) return defect;
        find_rows(factors.pivots.get(), k, m, row_indices.as<uint32_t>() + i * m);
        copy_from_columns(factors.columns.get(), m, ls[i]);
        copy_from_columns(factors.columns.get(), m, us[i]);
        T* const lower = ls[i].template as<T>();
        clear_triangle(lower, m, k, false);
        for (int64_t j = 0; j < k; ++j) lower[j * k + j] = 1;
        clear_triangle(us[i].template as<T>(), k, n, true);
        return kFine;
      };
    });
    throw_if_defect("lu", matrices.size(), defect, describe_singular);
  });
}

void lu_factor(const View& a, const View& factors, const View& pivots) {
  const MatrixBatch matrices(a), results(factors);
  const int64_t m = rows(a), n = columns(a), k = std::min(m, n);
  by_real_type(a.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), k, [&] {
      return [&, factored = LuFactors<T>(m, n)](int64_t i) {
        const lapack_int defect = factored.factor(matrices[i]);
        if (defect != kFine) return defect;
        copy_from_columns(factored.columns.get(), m, results[i]);
        std::transform(factored.pivots.get(), factored.pivots.get() + k,
                       pivots.as<uint32_t>() + i * k,
                       [](lapack_int pivot) { return static_cast<uint32_t>(pivot - 1); });
        return kFine;
      };
    });
    throw_if_defect("lu_factor", matrices.size(), defect, describe_singular);
  });
}

void determinant(const View& a, const View& to) {
  for_each_determinant("det", a, [&](int64_t i, const Determinant& determinant) {
    by_real_type(to.dtype,
                 [&]<class T>(T) { to.as<T>()[i] = static_cast<T>(determinant.value()); });
  });
}

void log_determinant(const View& a, const View& sign, const View& log) {
  for_each_determinant("slogdet", a, [&](int64_t i, const Determinant& determinant) {
    by_real_type(log.dtype, [&]<class T>(T) {
      sign.as<T>()[i] = static_cast<T>(determinant.sign());
      log.as<T>()[i] = static_cast<T>(determinant.log());
    });
  });
}

}  // namespace tarn::cpu
