// Matrix products.
#pragma once

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"

namespace tarn::cpu {

// to[…, i, j] = sum over p of a[…, i, p] * b[…, p, j], for float16, bfloat16, float32, float64 and
// complex64. Sums of 16-bit floats are kept in float and rounded once. The result depends on shapes
// and layouts only, not on the number of threads. Large products are faster with memory from
// `allocate`, but do without if there is none or `allocate` is empty.
// Requires: all of one such dtype; at least two axes; leading axes of `a` and `b` broadcast to
// those of `to` already; `to` is row-contiguous. Inputs may have any strides.
void matmul(const View& a, const View& b, const View& to, const AllocateScratch& allocate);

}  // namespace tarn::cpu
