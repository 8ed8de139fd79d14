#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/tensor_stats.h"

namespace tarn::cpu {

// Requires: `in` is row-major, `out` float64 of kTensorStatsSize elements. The result does not
// depend on the number of threads.
void tensor_stats(NumberFormat format, const View& in, const View& out);

}  // namespace tarn::cpu
