// Factorizations of the matrices in the last two axes, by LAPACK. float32 and float64; where said,
// complex64.
//
// What has no result throws OperationError(FailureKind::numerical) that names the first such matrix
// of the batch: one that has an element that is not finite, or a result that overflows, and what is
// said below. The outputs are garbage then.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// Requires, of all: outputs are row-contiguous, of the dtype of `a` where nothing else is said.
// Inputs may have any strides. m, n: the last two dimensions of `a`; k the smaller of them. Where
// only n is mentioned matrices are square.

// to = a⁻¹. Fails for a singular matrix.
void inverse(const View& a, const View& to);
// Of one triangle, the only one that is read; zeros in the other. Fails for a zero on the diagonal.
void triangular_inverse(const View& a, bool upper, const View& to);

// The lower factor L with L Lᵀ = a, or the upper U with Uᵀ U = a; zeros in the other triangle.
// Reads one triangle of `a`. Fails for a matrix that is not positive definite.
void cholesky(const View& a, bool upper, const View& to);

// to = a⁻¹ b, where `b` has the shape of `to`. Fails as inverse; what is not finite in `b` makes
// its column of the result so.
void solve(const View& a, const View& b, const View& to);
// The same with a triangle of `a`. Fails as triangular_inverse.
void solve_triangular(const View& a, const View& b, bool upper, const View& to);

// Row i of a = row row_indices[i] of l u. `l`: (m, k), ones on its diagonal; `u`: (k, n);
// `row_indices`: m, uint32.
void lu(const View& a, const View& row_indices, const View& l, const View& u);
// Both factors in one matrix. Row i has changed places with row pivots[i], for i = 0, 1, … in turn;
// k pivots, uint32.
void lu_factor(const View& a, const View& factors, const View& pivots);
// One number for each matrix. Zero for a singular one; its logarithm is -inf.
void determinant(const View& a, const View& to);
void log_determinant(const View& a, const View& sign, const View& log);

// a = q r. `q`: (m, k), orthonormal columns; `r`: (k, n), upper triangular.
void qr(const View& a, const View& q, const View& r);

// a = u diag(s) vt; `s`, real: k values, descending. `u`: (m, k) and `vt`: (k, n), or completed to
// (m, m) and (n, n); null, both, if not wanted. complex64 too.
void svd(const View& a, const View* u, const View& s, const View* vt);

// Eigenvalues, real and ascending, and eigenvectors, the columns of (n, n), of symmetric or
// Hermitian matrices of which one triangle is read. `vectors` may be null. complex64 too.
void eigh(const View& a, bool upper, const View& values, const View* vectors);

// Eigenvalues and eigenvectors of any matrices, all complex64. `vectors` may be null. complex64
// too.
void eig(const View& a, const View& values, const View* vectors);

}  // namespace tarn::cpu
