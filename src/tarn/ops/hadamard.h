// Products of rows with Hadamard matrices.
#pragma once

#include <cstdint>

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Each row of m 2^k elements, along the last axis, is multiplied by the Kronecker product of a
// Hadamard matrix of order m with that of Sylvester of order 2^k, and by `scale`. The matrices of
// order 12, 20 and 28 are those of kernels/cpu/hadamard_matrix.h. Floating dtypes.
struct Hadamard {
  static constexpr OpInfo info{"hadamard_transform", "a, scale=None",
                               "Rows multiplied by a Hadamard matrix."};
  static constexpr bool kMayOverwriteInput = true;

  float scale;
};

// Which of 1, 12, 20 and 28 is n over a power of two; 0 if none is.
constexpr int hadamard_factor(int64_t n) {
  if (n <= 0) return 0;
  int64_t odd = n, power = 1;
  for (; odd % 2 == 0; odd /= 2) power *= 2;
  if (odd == 1) return 1;
  return odd <= 7 && power >= 4 ? int(4 * odd) : 0;
}

}  // namespace tarn::ops
