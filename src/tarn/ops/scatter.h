// Operations that write into a part of an array. The first input is that array: where it dies with
// the operation, the output may be its memory.
#pragma once

#include <vector>

#include "tarn/base/layout.h"
#include "tarn/ops/op_info.h"

namespace tarn {

// What becomes of an element that is there and one that comes.
enum class ScatterMode : unsigned char { assign, add, prod, max, min };

namespace ops {

// Inputs: the array, an index array for each axis, all of one shape, and row-major updates of that
// shape followed by the shape of the slices, which begin at the indices. Updates of one element are
// combined in row-major order; of those that are assigned the last remains.
struct Scatter {
  static constexpr OpInfo info{"scatter", "a, indices, updates, axes",
                               "Slices put to, or combined with what is at, given indices."};
  static constexpr bool kMayOverwriteInput = true;

  ScatterMode mode;
  std::vector<int> axes;
};

// Inputs: the array, indices along the axis, and row-major updates of their shape.
struct ScatterAxis {
  static constexpr OpInfo info{"scatter_axis", "a, indices, values, axis",
                               "Elements put to, or added to those at, indices along an axis."};
  static constexpr bool kMayOverwriteInput = true;

  ScatterMode mode;
  int axis;
};

// Inputs: the array, a row-major mask of the shape of its first axes, and row-major source slices,
// of which the mask's true elements take one after the other.
struct MaskedScatter {
  static constexpr OpInfo info{"masked_scatter", "a, mask, src",
                               "The slices where a mask holds replaced by those of a source."};
  static constexpr bool kMayOverwriteInput = true;
};

// Inputs: the array and an update of the shape of the slice.
struct SliceUpdate {
  static constexpr OpInfo info{"slice_update", "a, update, start, stop, strides",
                               "Every n-th element of a range of each axis replaced."};
  static constexpr bool kMayOverwriteInput = true;

  ResolvedSlice bounds;
};

// Inputs: the array, the update, and an integer vector: where along each of the axes it begins.
struct DynamicSliceUpdate {
  static constexpr OpInfo info{"slice_update", "a, update, start, axes",
                               "A slice that begins at indices replaced."};
  static constexpr bool kMayOverwriteInput = true;

  std::vector<int> axes;
};

}  // namespace ops

// Names of the functions, by mode.
inline constexpr const char* kScatterNames[] = {"scatter", "scatter_add", "scatter_prod",
                                                "scatter_max", "scatter_min"};
inline constexpr const char* kScatterAxisNames[] = {"put_along_axis", "scatter_add_axis"};

}  // namespace tarn
