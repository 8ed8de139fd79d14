#pragma once

#include "tarn/base/shape.h"
#include "tarn/ops/op_info.h"

namespace tarn {

enum class PadMode : unsigned char {
  constant,
  edge,
  reflect,    // without the edge: of 1 2 3, 3 2 1 2 3 2 1
  symmetric,  // with the edge: of 1 2 3, 2 1 1 2 3 3 2
};

namespace ops {

// The inputs are the array and, in the mode `constant`, the scalar around it.
struct Pad {
  static constexpr OpInfo info{"pad", "a, pad_width, mode=\"constant\", constant_values=0",
                               "The array with more elements around it."};

  PadMode mode;
  Shape low;  // elements before those of the input, for each axis
};

}  // namespace ops
}  // namespace tarn
