// Products of matrices, or parts of matrices, that indices pick.
#pragma once

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"

namespace tarn::cpu {

// Dtypes and layouts of matrices, and `allocate`, as in matmul(). Indices are int64 with any
// strides.

// Product i of `to` = a[a_indices[i]] b[b_indices[i]]: matrices are numbered in row-major order of
// the leading axes, negative numbers count from the end. Throws OperationError(FailureKind::index)
// for one that is out of bounds.
// Requires: both index arrays have the shape of the leading axes of `to`.
void gather_matmul(const View& a, const View& b, const View& a_indices, const View& b_indices,
                   const View& to, const AllocateScratch& allocate);

// Product i of `to` = the columns of a from segments[i, 0] up to segments[i, 1] times those rows of
// b; zeros if there are none. Throws OperationError(FailureKind::index) for bounds that are not in
// 0 … the number of columns.
// Requires: `a` and `b` have two axes, `segments` those of the leading axes of `to` and one of two.
void segmented_matmul(const View& a, const View& b, const View& segments, const View& to,
                      const AllocateScratch& allocate);

}  // namespace tarn::cpu
