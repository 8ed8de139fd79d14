// Convolutions as products of matrices: for every dtype and every problem.
#pragma once

#include "tarn/kernels/cpu/conv_problem.h"

namespace tarn::cpu {

// Requires: no axis has negative padding; the output has elements.
void convolve_packed(ConvProblem p, const AllocateScratch& allocate);

}  // namespace tarn::cpu
