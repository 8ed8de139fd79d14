// Rows multiplied by Hadamard matrices.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// See ops/hadamard.h. Takes n log n additions where n is a power of two.
// Requires: a floating dtype; rows of as many elements as hadamard_factor() knows; `out` is
// row-major, of the shape and dtype of `x`, and the same memory as `x`, row-major, or other memory;
// `scratch` has hadamard_scratch_bytes(x, out) bytes, aligned to 64.
void hadamard(const View& x, float scale, const View& out, void* scratch);
int64_t hadamard_scratch_bytes(const View& x, const View& out);

}  // namespace tarn::cpu
