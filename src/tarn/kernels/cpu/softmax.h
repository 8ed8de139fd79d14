// Softmax of arrays of any layout along any axes.
#pragma once

#include <span>

#include "tarn/base/view.h"

namespace tarn::cpu {

// exp(x - max) / sum(exp(x - max)) along the axes together, computed in float for 16-bit floats.
// Requires: `in` is of a floating dtype; `axes` are distinct and not negative; `out` is row-major,
// of the shape and dtype of `in`, and the same memory as `in` or other memory; `scratch` has
// softmax_scratch_bytes(in, axes, out) bytes, aligned to 64.
void softmax(const View& in, std::span<const int> axes, const View& out, void* scratch);
int64_t softmax_scratch_bytes(const View& in, std::span<const int> axes, const View& out);

}  // namespace tarn::cpu
