// Convolutions by oneDNN, for what it has fast code for.
#pragma once

#include "tarn/kernels/cpu/conv_problem.h"

namespace tarn::cpu {

// Returns false, having written nothing, where something else should do it. Throws what `allocate`
// throws, std::bad_alloc, or std::runtime_error with what oneDNN reports. Requires: all operands
// have elements, no axis has negative padding.
bool convolved_by_onednn(ConvProblem p, const AllocateScratch& allocate);

}  // namespace tarn::cpu
