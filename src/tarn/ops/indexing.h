// Operations that pick and join parts of arrays.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// From the first input the slices along `axis` that the second names. Index failure when one is out
// of bounds.
struct Take {
  static constexpr OpInfo info{"take", "a, indices, axis",
                               "The slices of an axis at given indices."};

  int axis;
};

struct Concatenate {
  static constexpr OpInfo info{"concatenate", "arrays, axis=0", "Arrays joined along an axis."};

  int axis;
};

}  // namespace tarn::ops
