// Cholesky factors, and what is solved with triangles.
#include <fmt/format.h>

#include <limits>

#include "tarn/kernels/cpu/lapack.h"
#include "tarn/kernels/cpu/linalg.h"

namespace tarn::cpu {

namespace {

std::string describe_zero(lapack_int info) {
  return fmt::format("is singular (its element [{0},{0}] is exactly zero)", info - 1);
}

// Of a triangle of an n × n matrix. Strides in elements.
template <class T>
bool triangle_is_finite(const T* a, int64_t row_stride, int64_t column_stride, int64_t n,
                        bool upper) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t begin = upper ? i : 0, end = upper ? n : i + 1;
    const T* const row = a + i * row_stride;
    if (column_stride == 1) {
      if (!all_finite(row + begin, end - begin)) return false;
      continue;
    }
    for (int64_t j = begin; j < end; ++j) {
      if (!is_finite(row[j * column_stride])) return false;
    }
  }
  return true;
}

// LAPACK finds the triangle on the other side: see Note [Transposed factors].
char lapack_triangle(bool upper) { return upper ? 'L' : 'U'; }

template <class T>
lapack_int factor_cholesky(T* a, int64_t n, bool upper) {
  // LAPACK notices an infinity only when it has become a NaN, if ever.
  if (!triangle_is_finite(a, n, 1, n, upper)) return kNotFinite;
  const lapack_int info =
      Lapack<T>::potrf(LAPACK_COL_MAJOR, lapack_triangle(upper), lapack_size(n), a, lapack_size(n));
  clear_triangle(a, n, n, upper);
  return info;
}

template <class T>
lapack_int invert_triangle(T* a, int64_t n, bool upper) {
  if (!triangle_is_finite(a, n, 1, n, upper)) return kNotFinite;
  const lapack_int info = Lapack<T>::trtri(LAPACK_COL_MAJOR, lapack_triangle(upper), 'N',
                                           lapack_size(n), a, lapack_size(n));
  clear_triangle(a, n, n, upper);
  if (info != kFine) return info;
  return all_finite(a, n * n) ? kFine : kOverflow;
}

// Solves with a triangle of matrices of one layout, in place where BLAS can read that.
template <class T>
class TriangleSolver {
 public:
  TriangleSolver(const View& a, bool upper) : n_(rows(a)), upper_(upper) {
    const int64_t row = a.strides[a.ndim - 2], column = a.strides[a.ndim - 1];
    const int64_t largest = std::numeric_limits<lapack_int>::max();
    const auto is_leading = [&](int64_t stride) { return stride >= n_ && stride <= largest; };
    if (column == 1 && is_leading(row)) {
      row_stride_ = row;
    } else if (row == 1 && is_leading(column)) {
      column_stride_ = column;
    } else {
      row_stride_ = n_;
      dense_.reset(new T[n_ * n_]);
    }
  }

  // x holds k right-hand sides, row by row, and then the solutions.
  lapack_int solve(const View& a, T* x, int64_t k) const {
    const T* elements = a.as<T>();
    if (dense_ != nullptr) {
      copy_by_rows(a, dense_.get());
      elements = dense_.get();
    }
    if (!triangle_is_finite(elements, row_stride_, column_stride_, n_, upper_)) return kNotFinite;
    for (int64_t i = 0; i < n_; ++i) {
      if (elements[i * (row_stride_ + column_stride_)] == T{0}) return lapack_size(i + 1);
    }
    // A matrix by columns is its transpose by rows, with the triangle on the other side.
    const bool transposed = column_stride_ != 1;
    const auto triangle = upper_ != transposed ? CblasUpper : CblasLower;
    const auto transposition = transposed ? CblasTrans : CblasNoTrans;
    const lapack_int n = lapack_size(n_);
    const lapack_int stride = lapack_size(transposed ? column_stride_ : row_stride_);
    if (k == 1) {
      Lapack<T>::trsv(CblasRowMajor, triangle, transposition, CblasNonUnit, n, elements, stride, x,
                      1);
    } else {
      Lapack<T>::trsm(CblasRowMajor, CblasLeft, triangle, transposition, CblasNonUnit, n,
                      lapack_size(k), T{1}, elements, stride, x, lapack_size(k));
    }
    return kFine;
  }

 private:
  const int64_t n_;
  const bool upper_;
  int64_t row_stride_ = 1, column_stride_ = 1;
  std::unique_ptr<T[]> dense_;
};

// Replaces each matrix of `a` by what f makes of it, in `to`.
template <class F>
void transform_matrices(const char* op, const View& a, const View& to,
                        std::string (*describe)(lapack_int), F f) {
  if (to.size == 0) return;
  copy(a, to);
  const int64_t n = rows(to);
  const int64_t batch = to.size / (n * n);
  by_real_type(to.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(
        batch, n, [&] { return [&](int64_t i) { return f(to.as<T>() + i * n * n, n); }; });
    throw_if_defect(op, batch, defect, describe);
  });
}

}  // namespace

void cholesky(const View& a, bool upper, const View& to) {
  const auto describe = [](lapack_int info) {
    return fmt::format("is not positive definite (its leading minor of order {} is not)", info);
  };
  transform_matrices("cholesky", a, to, describe,
                     [&](auto* matrix, int64_t n) { return factor_cholesky(matrix, n, upper); });
}

void triangular_inverse(const View& a, bool upper, const View& to) {
  transform_matrices("tri_inv", a, to, describe_zero,
                     [&](auto* matrix, int64_t n) { return invert_triangle(matrix, n, upper); });
}

void solve_triangular(const View& a, const View& b, bool upper, const View& to) {
  if (to.size == 0) return;
  copy(b, to);
  const int64_t n = rows(to);
  const int64_t k = columns(to);
  const MatrixBatch matrices(a);
  by_real_type(to.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), n, [&] {
      return [&, solver = TriangleSolver<T>(a, upper)](int64_t i) {
        return solver.solve(matrices[i], to.as<T>() + i * n * k, k);
      };
    });
    throw_if_defect("solve_triangular", matrices.size(), defect, describe_zero);
  });
}

}  // namespace tarn::cpu
