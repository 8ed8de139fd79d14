// Factorizations and what is made of them, through LAPACK; norms and the cross product.
//
// Matrices are in the last two axes, the other axes are a batch: shapes below leave it out. Unless
// said otherwise matrices are float32 or float64, and other dtypes are an error when the node is
// built, as are shapes that are not square where they have to be. A matrix without a result, or
// with elements that are not finite, is a numerical failure of the node that names it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn::linalg {

// (n, n) → (n, n). A singular matrix fails.
array inv(const array& a, StreamOrDevice s = {});
// Of one triangle of a, which must have no zero on the diagonal; zeros in the other.
array tri_inv(const array& a, bool upper = false, StreamOrDevice s = {});
// (m, n) → (n, m), the Moore-Penrose inverse. Singular values below 10 max(m, n) epsilon of the
// largest count as zero.
array pinv(const array& a, StreamOrDevice s = {});

// L with L Lᵀ = a, or U with Uᵀ U = a; only one triangle of a is read.
array cholesky(const array& a, bool upper = false, StreamOrDevice s = {});
// The inverse of the matrix whose Cholesky factor is a.
array cholesky_inv(const array& a, bool upper = false, StreamOrDevice s = {});

// (m, n), k the smaller → row indices P (m), uint32, L (m, k) and U (k, n): row i of a is row P[i]
// of L U. Singular matrices have factors, too.
std::vector<array> lu(const array& a, StreamOrDevice s = {});
// L below the diagonal and U above it in one (m, n), and pivots (k), uint32: for i = 0, 1, … row i
// of a has changed places with row pivots[i].
std::pair<array, array> lu_factor(const array& a, StreamOrDevice s = {});

// x with a x = b, where b is one vector (n) or columns (n, k), with a batch that broadcasts. A
// singular matrix fails.
array solve(const array& a, const array& b, StreamOrDevice s = {});
// The same with one triangle of a.
array solve_triangular(const array& a, const array& b, bool upper = false, StreamOrDevice s = {});

// (n, n) → (). Of integers in float32. Zero for a singular matrix.
array det(const array& a, StreamOrDevice s = {});
// Sign and natural logarithm of the magnitude; of a singular matrix 0 and -inf.
std::pair<array, array> slogdet(const array& a, StreamOrDevice s = {});

// (m, n), k the smaller → Q (m, k), orthonormal columns, and R (k, n), upper triangular.
std::pair<array, array> qr(const array& a, StreamOrDevice s = {});

// (m, n), k the smaller → U (m, m), S (k), descending, and Vt (n, n), such that
// U[:, :k] diag(S) Vt[:k] = a; S alone unless compute_uv. Also of complex64, where S is float32.
std::vector<array> svd(const array& a, bool compute_uv, StreamOrDevice s);
std::vector<array> svd(const array& a, StreamOrDevice s = {});

// Eigenvalues (n), real and ascending, and eigenvectors, the columns of (n, n), of symmetric or
// Hermitian matrices of which the lower triangle ("L") or the upper ("U") is read. Also of
// complex64.
std::pair<array, array> eigh(const array& a, std::string UPLO = "L", StreamOrDevice s = {});
array eigvalsh(const array& a, std::string UPLO = "L", StreamOrDevice s = {});
// Of any square matrices: complex64. Vectors have length one. Also of complex64.
std::pair<array, array> eig(const array& a, StreamOrDevice s = {});
array eigvals(const array& a, StreamOrDevice s = {});

// Norms of vectors (one axis) and matrices (two: rows, columns), of all elements without an axis.
// Integers give float32, complex64 does, too. Without `ord` the square root of the sum of squares.
// Vectors: inf, -inf, 0 (the number of elements that are not zero) or any power. Matrices: "f" or
// "fro", "nuc", inf, -inf (rows), 1, -1 (columns), 2, -2 (singular values). Anything else and other
// numbers of axes are an error; so is an axis out of range: std::out_of_range.
array norm(const array& a, const std::optional<std::vector<int>>& axis = std::nullopt,
           bool keepdims = false, StreamOrDevice s = {});
array norm(const array& a, const double ord,
           const std::optional<std::vector<int>>& axis = std::nullopt, bool keepdims = false,
           StreamOrDevice s = {});
array norm(const array& a, const std::string& ord,
           const std::optional<std::vector<int>>& axis = std::nullopt, bool keepdims = false,
           StreamOrDevice s = {});
inline array norm(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {}) {
  return norm(a, std::vector<int>{axis}, keepdims, s);
}
inline array norm(const array& a, const double ord, int axis, bool keepdims = false,
                  StreamOrDevice s = {}) {
  return norm(a, ord, std::vector<int>{axis}, keepdims, s);
}
inline array norm(const array& a, const std::string& ord, int axis, bool keepdims = false,
                  StreamOrDevice s = {}) {
  return norm(a, ord, std::vector<int>{axis}, keepdims, s);
}

// Of vectors of three elements along the axis; of two, the third is zero. Any dtype.
array cross(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

}  // namespace tarn::linalg
