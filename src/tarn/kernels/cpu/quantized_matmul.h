// Products of matrices with quantized ones.
//
// `x` and `to` are float32, float16 or bfloat16. `w` is codes, scales and, in mode Affine, biases.
// With few rows of x codes are multiplied as they are, in float32, and with more by tiles of
// numbers of x's dtype. Sums are kept in float32.
#pragma once

#include <span>

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"
#include "tarn/ops/quantized.h"

namespace tarn::cpu {

// to[…] = x[…] times the matrix of w[…], or with `transpose` times its transpose.
// Requires: leading axes of x and w broadcast to those of `to` already; matrices are
// row-contiguous.
void quantized_matmul(const ops::Quantization& format, bool transpose, const View& x,
                      std::span<const View> w, const View& to, const AllocateScratch& allocate);

// Product i of `to` is that of matrix x_indices[i] of x and matrix w_indices[i] of w. Indices as in
// gather_matmul().
void gather_quantized_matmul(const ops::Quantization& format, bool transpose, const View& x,
                             std::span<const View> w, const View& x_indices, const View& w_indices,
                             const View& to, const AllocateScratch& allocate);

}  // namespace tarn::cpu
