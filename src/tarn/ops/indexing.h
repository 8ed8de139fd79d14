// Operations that pick and join parts of arrays.
#pragma once

#include <vector>

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// From the first input the slices along `axis` that the second names. Index failure when one is out
// of bounds.
struct Take {
  static constexpr OpInfo info{"take", "a, indices, axis",
                               "The slices of an axis at given indices."};

  int axis;
};

// From the first input, at each position along the other axes, the elements of `axis` that the
// second names there.
struct TakeAlongAxis {
  static constexpr OpInfo info{"take_along_axis", "a, indices, axis",
                               "The elements along an axis at given indices."};

  int axis;
};

// The slices of the first input that begin at the indices along `axes`: an input for each, all of
// one shape.
struct Gather {
  static constexpr OpInfo info{"gather", "a, indices, axes, slice_sizes",
                               "The slices that begin at given indices."};

  std::vector<int> axes;
};

// The slice of the first input that begins at the elements of the second, a vector, along `axes`.
struct DynamicSlice {
  static constexpr OpInfo info{"slice", "a, start, axes, slice_size",
                               "The slice that begins at indices."};

  std::vector<int> axes;
};

struct Concatenate {
  static constexpr OpInfo info{"concatenate", "arrays, axis=0", "Arrays joined along an axis."};

  int axis;
};

}  // namespace tarn::ops
