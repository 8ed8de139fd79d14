// The inner loops of sums of columns, one table per instruction set.
#pragma once

#include <cstddef>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// So many rows are added at once: the sums are loaded and stored once for all of them, which would
// else take longer than reading the rows.
inline constexpr int kRowsAtOnce = 8;

// sums[i] += rows[0][i], then += rows[1][i] and so on, for i < n.
using RowAdder = void (*)(void* sums, const void* const* rows, size_t n);

struct RowAdders {
  RowAdder of_dtype[kDtypeCount];  // of float, double and integers of 32 and 64 bits; else null
};

// Those of the instruction set that kernels() has chosen.
const RowAdders& row_adders();

}  // namespace tarn::cpu
