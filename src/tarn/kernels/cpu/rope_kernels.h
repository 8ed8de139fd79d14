// The inner loops of rotary position embedding, one table per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// At most so many angles at once.
inline constexpr size_t kMaxAngles = 512;

// The cosines and sines of position * frequencies[i] for i < n. Arrays are padded to a multiple of
// 16 elements.
using AngleFunctions = void (*)(double position, const double* frequencies, size_t n, void* cosines,
                                void* sines);

// For i < n, with x2 = x + distance: out[i] = x[i] cosines[i] - x2[i] sines[i] and
// out[i + distance] = x2[i] cosines[i] + x[i] sines[i]. Cosines and sines are of the type computed
// in. `out` may be `x`.
using PairTurner = void (*)(const void* x, size_t distance, const void* cosines, const void* sines,
                            void* out, size_t n);

struct RopeKernels {
  AngleFunctions angles[kDtypeCount];  // float and double
  PairTurner turn_apart[kDtypeCount];  // floating dtypes
  // Of the n / 2 pairs of neighbours: element i becomes x[i] cosines[i] plus the other one of its
  // pair times sines[i]. There is no distance.
  PairTurner turn_neighbours[kDtypeCount];
};

}  // namespace tarn::cpu
