// Convolutions of each channel by itself.
#pragma once

#include "tarn/kernels/cpu/conv_problem.h"

namespace tarn::cpu {

// Requires: groups have one channel of the input; the input and the output have elements, no axis
// has negative padding.
void convolve_depthwise(ConvProblem p, const AllocateScratch& allocate);

}  // namespace tarn::cpu
