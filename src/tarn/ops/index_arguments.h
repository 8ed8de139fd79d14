// What functions that index arrays check and make of their arguments. Errors are
// std::invalid_argument, with the name of the function.
#pragma once

#include <optional>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Throws unless they are integers; bool is none.
void check_indices(const array& indices, const char* op);

struct IndexArrays {
  Shape shape;
  std::vector<array> arrays;  // all of that shape
};
// One array for each of the axes of `a`, which are distinct and not negative.
IndexArrays index_arrays(const array& a, const std::vector<array>& indices,
                         const std::vector<int>& axes, const char* op, StreamOrDevice s);

// Those given, as int64, or the numbers of all matrices, in the shape of their leading axes.
array matrix_indices(const std::optional<array>& given, const array& matrices, const char* op,
                     StreamOrDevice s);

// The axes counted from the front. `start` has an index for each, in a vector or a scalar.
std::vector<int> dynamic_slice_axes(const array& a, const array& start, std::vector<int> axes,
                                    const char* op);

// The shape that both broadcast to, but for `axis`, where it is `dim`.
Shape shape_but_for(const Shape& a, const Shape& b, int axis, ShapeElem dim);

}  // namespace tarn
