// The loops of Hadamard transforms, one table per instruction set. Every one gives the same bits.
#pragma once

#include <cstddef>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

struct HadamardRow {
  double scale;
  size_t n_segments;
  size_t segment;     // elements of each, a power of two
  const void* signs;  // the matrix of order n_segments, of the type computed in
};

// Transforms a row of `x` into one of the type computed in. `to` may be `x` if that has this type.
using HadamardTransform = void (*)(const HadamardRow& row, const void* x, void* to);

struct HadamardKernels {
  HadamardTransform transform[kDtypeCount];  // of floating dtypes; else null
};

}  // namespace tarn::cpu
