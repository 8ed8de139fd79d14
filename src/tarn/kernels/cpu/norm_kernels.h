// The inner loop of norms, one table per instruction set.
#pragma once

#include <cstddef>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

struct RowScale {
  double center;
  double scale;
  double shift;  // what rounding the center has left, scaled
};

// out[i] = ((x[i] - center) * scale + shift) * weight[i] + bias[i], of which `weight` and `bias`
// may be null. `out` may be `x`.
using RowScaler = void (*)(const RowScale& by, const void* x, const void* weight, const void* bias,
                           void* out, size_t n);

struct NormKernels {
  RowScaler scale_row[kDtypeCount];  // of floating dtypes; else null
};

}  // namespace tarn::cpu
