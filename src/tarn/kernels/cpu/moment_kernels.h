// The inner loops of variances, one table per instruction set.
#pragma once

#include <cstddef>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// Sums of the distances of numbers from another one, and of their squares.
struct DistanceSums {
  double distances = 0;
  double squares = 0;
};
// Those of n elements from `center`, which is of the type computed in. Meanwhile the n after them,
// which are mostly the next, are fetched.
using DistanceSummer = DistanceSums (*)(const void* elements, const void* center, size_t n);

// distances[i] += row[i] - centers[i], squares[i] += the square of that, for i < n. All but `row`
// are padded to a multiple of 64 bytes.
using DistanceAdder = void (*)(void* distances, void* squares, const void* row, const void* centers,
                               size_t n);

struct MomentKernels {
  DistanceSummer sum[kDtypeCount];     // of floating dtypes; else null
  DistanceAdder add_row[kDtypeCount];  // of float and double; else null
};

// Those of the instruction set that kernels() has chosen.
const MomentKernels& moment_kernels();

}  // namespace tarn::cpu
