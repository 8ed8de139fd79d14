// Products of matrices.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

struct Matmul {
  static constexpr OpInfo info{"matmul", "a, b", "Products of matrices."};
};

}  // namespace tarn::ops
