// Diagonals and triangles of matrices: of the last two axes unless said otherwise.
#pragma once

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Of a vector, the matrix with it on diagonal k; of a matrix, diagonal k.
array diag(const array& a, int k = 0, StreamOrDevice s = {});
// The sum of a diagonal, see diagonal(), as `dtype`; without one, with the dtype of a sum.
array trace(const array& a, int offset, int axis1, int axis2, Dtype dtype, StreamOrDevice s = {});
array trace(const array& a, int offset, int axis1, int axis2, StreamOrDevice s = {});
array trace(const array& a, StreamOrDevice s = {});
// (n, m), ones where column - row <= k, else zeros.
array tri(int n, int m, int k, Dtype type, StreamOrDevice s = {});
array tri(int n, Dtype type, StreamOrDevice s = {});
// The elements where column - row <= k, of triu >= k, else zeros.
array tril(array x, int k = 0, StreamOrDevice s = {});
array triu(array x, int k = 0, StreamOrDevice s = {});

}  // namespace tarn
