// Convolutions of floating dtypes.
#pragma once

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/conv_problem.h"
#include "tarn/ops/conv.h"

namespace tarn::cpu {

// Sums of 16-bit floats are kept in float and rounded once. The result depends on shapes and
// layouts only, not on the number of threads. Throws what `allocate` throws, std::bad_alloc, or
// std::runtime_error with what oneDNN reports. Requires: all of one floating dtype; shapes as
// ops::Convolution has them; `out` is row-contiguous. Inputs may have any strides.
void convolve(const ops::Convolution& op, const View& in, const View& weights, const View& out,
              const AllocateScratch& allocate);

}  // namespace tarn::cpu
