// Tiles of matrix products by oneDNN, for what it multiplies faster than the loops of
// kernels/cpu/isa do.
#pragma once

#include "tarn/kernels/cpu/matmul_kernels.h"

namespace tarn::cpu {

// Whether this process should multiply tiles of the dtype by oneDNN: float32 everywhere; bfloat16
// where the processor's own instructions for it are fast.
bool onednn_is_faster(Dtype dtype);

// Whether oneDNN takes operands with these strides.
bool onednn_takes(const MatmulTile& tile);

// Multiply on the calling thread only. Throw std::bad_alloc, or std::runtime_error with what oneDNN
// reports. Require: onednn_takes(tile); for bfloat16 a processor with AVX-512.
void onednn_multiply_float32(const MatmulTile& tile);
void onednn_multiply_bfloat16(const MatmulTile& tile);

}  // namespace tarn::cpu
