// Operations on the matrices in the last two axes. Numerical failure where there is no result.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

struct Matmul {
  static constexpr OpInfo info{"matmul", "a, b", "Products of matrices."};
};

struct Inverse {
  static constexpr OpInfo info{"inv", "a", "Inverses of square matrices."};
};

struct Cholesky {
  static constexpr OpInfo info{"cholesky", "a, upper=False",
                               "Triangular factors of positive definite matrices."};

  bool upper;
};

// Inputs: coefficients (n, n), right-hand sides (n, k).
struct Solve {
  static constexpr OpInfo info{"solve", "a, b", "Solutions of systems of linear equations."};
};

}  // namespace tarn::ops
