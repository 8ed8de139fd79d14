// Fourier transforms along an axis on the CPU.
#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/fft.h"

namespace tarn::cpu {

// `out` may be `in` where both are complex and have the same layout.
void fft(const ops::Fft& op, const View& in, const View& out);

}  // namespace tarn::cpu
