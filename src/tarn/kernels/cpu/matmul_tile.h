// A tile of a matrix product, by whatever multiplies it fastest.
#pragma once

#include "tarn/kernels/cpu/matmul_kernels.h"

namespace tarn::cpu {

// On the calling thread. Throws std::bad_alloc, or std::runtime_error with what oneDNN reports.
// Requires: a floating dtype or complex64; no dimension of the tile is zero.
void multiply_tile(Dtype dtype, const MatmulTile& tile);

}  // namespace tarn::cpu
