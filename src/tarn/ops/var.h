#pragma once

#include <vector>

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Of real dtypes; the output is floating.
struct Var {
  static constexpr OpInfo info{"var", "a, axes=None, keepdims=False, ddof=0",
                               "The mean squared distance from the mean."};

  std::vector<int> axes;  // ascending
  int ddof;               // taken from the number of elements that the sum is divided by
};

}  // namespace tarn::ops
