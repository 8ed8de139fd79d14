// The inner loops of tensor_stats, one table per instruction set.
#pragma once

#include <cstddef>

#include "tarn/base/dtype.h"
#include "tarn/ops/tensor_stats.h"

namespace tarn::cpu {

// Adds the statistics of n adjacent elements.
using StatsAdder = void (*)(TensorStats& stats, const void* elements, size_t n);

struct TensorStatsKernels {
  StatsAdder of_dtype[kDtypeCount];          // null for complex64
  StatsAdder of_format[kNumberFormatCount];  // null for NumberFormat::of_dtype
};

// Those of the instruction set that kernels() has chosen.
const TensorStatsKernels& tensor_stats_kernels();

}  // namespace tarn::cpu
