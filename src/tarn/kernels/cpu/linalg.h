// Factorizations of the matrices in the last two axes, by LAPACK. float32 and float64.
//
// What has no result throws OperationError(FailureKind::numerical) that names the first such matrix
// of the batch; the output is garbage then.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// Requires, of all: square matrices in `a`; `to` is row-contiguous, of the dtype of `a`. Inputs may
// have any strides.

// to = a⁻¹. Fails for a singular matrix and for one that has an element that is not finite.
void inverse(const View& a, const View& to);

// The lower factor L with L Lᵀ = a, or the upper U with Uᵀ U = a; zeros in the other triangle.
// Reads one triangle of `a`. Fails for a matrix that is not positive definite, elements of that
// triangle that are not finite included.
void cholesky(const View& a, bool upper, const View& to);

// to = a⁻¹ b, where `b` has the shape of `to`. Fails as inverse; what is not finite in `b` makes
// its column of the result so.
void solve(const View& a, const View& b, const View& to);

}  // namespace tarn::cpu
