// Products of matrices.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

struct Matmul {
  static constexpr OpInfo info{"matmul", "a, b", "Products of matrices."};
  static constexpr DtypeKinds accepts = kInexactKinds;
};

// Inputs: a, b, and int64 indices of their matrices.
struct GatherMatmul {
  static constexpr OpInfo info{"gather_mm", "a, b, lhs_indices, rhs_indices",
                               "Products of matrices that indices pick."};
};

// Inputs: a, b, and int64 bounds.
struct SegmentedMatmul {
  static constexpr OpInfo info{"segmented_mm", "a, b, segments",
                               "Products of segments of the inner axis."};
};

}  // namespace tarn::ops
