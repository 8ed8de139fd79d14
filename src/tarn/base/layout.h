// Where the elements of an array are: shape, strides, offset, and the view operations as functions
// on them.
//
// Everything here is arithmetic on a few integers; nothing touches elements.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tarn/base/shape.h"

namespace tarn {

// Element (i, j, …) is at offset + i * strides[0] + j * strides[1] + …, counted in elements.
struct Layout {
  Shape shape;
  Strides strides;
  int64_t offset = 0;

  friend bool operator==(const Layout&, const Layout&) = default;
};

inline Strides row_major_strides(const Shape& shape) {
  Strides strides(shape.size());
  uint64_t stride =
      1;  // unsigned: strides of an array without elements may wrap, they are never used
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = static_cast<int64_t>(stride);
    stride *= static_cast<uint64_t>(shape[i]);
  }
  return strides;
}

inline Layout row_major(Shape shape) {
  Strides strides = row_major_strides(shape);
  return {std::move(shape), std::move(strides), 0};
}

// NumPy's rule: shapes are aligned at the last axis, a dimension of one stretches.
// Throws std::invalid_argument if they do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b);

// Strides under which `layout` reads as `shape`: zero along stretched axes.
// Requires: broadcast_shapes(layout.shape, shape) == shape.
Strides broadcast_strides(const Layout& layout, const Shape& shape);

// Axis i of the result is axis axes[i] of the layout. Requires: `axes` is a permutation.
Layout permute(const Layout& layout, std::span<const int> axes);

// A slice with its bounds resolved against a shape: start and step per axis, and the shape of the
// result.
struct ResolvedSlice {
  Shape start;
  Shape steps;
  Shape shape;
};

// Bounds as in Python: negative ones count from the end, all are clamped; with a negative step, a
// stop of
// -(dimension) - 1 includes element 0. Requires: lists of the length of `shape`, no step of zero.
ResolvedSlice resolve_slice(const Shape& shape, const Shape& start, const Shape& stop,
                            const Shape& steps);

Layout slice(const Layout& layout, const ResolvedSlice& bounds);

// Without the axes `axis1` and `axis2`, and with a last axis of the elements where the index along
// axis2 is that along axis1 plus `offset`. Requires: two different axes of the layout.
Layout diagonal(const Layout& layout, int offset, int axis1, int axis2);

// Strides that show the layout's elements, in row-major order, as `shape`; nothing if that takes a
// copy. Requires: both shapes have the same number of elements.
std::optional<Strides> try_reshape(const Layout& layout, const Shape& shape);

// MLX's flags. row_contiguous and col_contiguous: elements follow each other in that order, without
// gaps. contiguous: the elements, in whichever order of axes and not counting broadcast copies,
// fill [0, data_size) without gaps.
struct Flags {
  bool contiguous;
  bool row_contiguous;
  bool col_contiguous;

  friend bool operator==(const Flags&, const Flags&) = default;
};

struct Density {
  Flags flags;
  int64_t data_size;  // elements of the buffer between the lowest and the highest one used
};
Density density(const Shape& shape, const Strides& strides);

// The lowest and the highest element that are used, counted from the first; wide enough for any
// strides. Requires: an array with elements.
struct Reach {
  __int128 lowest;
  __int128 highest;
};
Reach reach(const Shape& shape, const Strides& strides);

// Joins neighbouring axes that all operands walk with one stride and drops axes of size one, in
// place: the loops over what remains are the fewest. A single element leaves no axis, an array
// without elements one axis of size zero. Requires: every operand has as many strides as the shape
// has axes.
void collapse_dims(Shape& shape, std::span<Strides> operands);

}  // namespace tarn
