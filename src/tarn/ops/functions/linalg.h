// Factorizations and what is made of them, through LAPACK.
#pragma once

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn::linalg {

// Of float32 and float64 matrices in the last two axes; integers are an error.
array inv(const array& a, StreamOrDevice s = {});
// L with L Lᵀ = a, or U with Uᵀ U = a; only one triangle of a is read.
array cholesky(const array& a, bool upper = false, StreamOrDevice s = {});
// x with a x = b; b is a vector or a matrix of columns.
array solve(const array& a, const array& b, StreamOrDevice s = {});

}  // namespace tarn::linalg
