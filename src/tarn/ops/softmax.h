#pragma once

#include <vector>

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Along each line through the axes: exp(x - max) over its sum. Floating dtypes; 16-bit ones are
// computed in float32.
struct Softmax {
  static constexpr OpInfo info{"softmax", "a, axes=None, precise=False",
                               "Exponentials of the elements over their sum."};
  static constexpr DtypeKinds accepts = kAllKinds & ~kComplexKind;

  std::vector<int> axes;  // ascending
};

}  // namespace tarn::ops
