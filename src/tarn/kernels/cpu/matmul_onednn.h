// Tiles of matrix products by oneDNN, for what it multiplies faster than the loops of
// kernels/cpu/isa do.
#pragma once

#include "tarn/kernels/cpu/matmul_kernels.h"

namespace tarn::cpu {

// Whether this process should multiply tiles of the dtype by oneDNN: bfloat16 where the processor
// has AMX, instructions for tiles.
bool onednn_is_faster(Dtype dtype);

// Whether oneDNN takes operands with these strides.
bool onednn_takes(const MatmulTile& tile);

// Multiplies on the calling thread only. Throws std::bad_alloc, or std::runtime_error with what
// oneDNN reports. Requires: onednn_takes(tile); a processor with AVX-512.
void onednn_multiply_bfloat16(const MatmulTile& tile);

}  // namespace tarn::cpu
