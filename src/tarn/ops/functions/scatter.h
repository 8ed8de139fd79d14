// Arrays with parts replaced or updated. `a` itself does not change: the result is another array.
//
// Updates are cast to the dtype of `a`. Indices are integers, not bool; negative ones count from
// the end, and one out of bounds is an index failure of the node. If a place is named twice,
// updates are applied in row-major order: each is added (multiplied, …), of those that replace the
// last remains. 16-bit floats are accumulated in float32.
#pragma once

#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// updates[i…, j…] goes to a[j… + indices[…][i…] along the axes]. The indices, one array for each
// axis, broadcast against each other. The shape of the updates is theirs followed by that of the
// slices, which has as many axes as `a` and fits into it. std::invalid_argument for other shapes,
// for axes that are negative, named twice or out of range, and for indices of other dtypes.
#define TARN_DECLARE_SCATTER(name)                                                        \
  array name(const array& a, const std::vector<array>& indices, const array& updates,     \
             const std::vector<int>& axes, StreamOrDevice s = {});                        \
  inline array name(const array& a, const array& indices, const array& updates, int axis, \
                    StreamOrDevice s = {}) {                                              \
    return name(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);      \
  }
TARN_DECLARE_SCATTER(scatter)
TARN_DECLARE_SCATTER(scatter_add)
TARN_DECLARE_SCATTER(scatter_prod)
TARN_DECLARE_SCATTER(scatter_max)
TARN_DECLARE_SCATTER(scatter_min)
#undef TARN_DECLARE_SCATTER

// The elements of `a` at indices[i…] along the axis, at i along the others, become values[i…], or
// have it added. `values` broadcasts to the shape of the indices, which has as many axes as `a`;
// one of size one stretches to that of `a`, and the other way round.
array put_along_axis(const array& a, const array& indices, const array& values, int axis,
                     StreamOrDevice s = {});
array scatter_add_axis(const array& a, const array& indices, const array& values, int axis,
                       StreamOrDevice s = {});

// Where the mask, bool and of the shape of the first axes of `a`, is true, the slices of `a` become
// those of `src` in turn. `src` has at least as many along its first axis as the mask has true
// elements, else the node fails with an index failure; without that axis it serves for each. The
// rest of its shape broadcasts to that of the slices.
array masked_scatter(const array& a, const array& mask, const array& src, StreamOrDevice s = {});

// a[start:stop:strides] = update, bounds as in slice(); the update broadcasts.
array slice_update(const array& src, const array& update, Shape start, Shape stop, Shape strides,
                   StreamOrDevice s = {});
array slice_update(const array& src, const array& update, Shape start, Shape stop,
                   StreamOrDevice s = {});
// The slice of the update's shape that begins at the elements of `start`, integers, along `axes`.
// It has to fit, else the node fails with an index failure. Axes that the update lacks are whole
// ones, or of size one if they are among `axes`.
array slice_update(const array& src, const array& update, const array& start, std::vector<int> axes,
                   StreamOrDevice s = {});

// The slice combined with the update: sum, product, maximum, minimum.
#define TARN_DECLARE_SLICE_UPDATE(name)                                                     \
  array name(const array& src, const array& update, Shape start, Shape stop, Shape strides, \
             StreamOrDevice s = {});                                                        \
  inline array name(const array& src, const array& update, Shape start, Shape stop,         \
                    StreamOrDevice s = {}) {                                                \
    return name(src, update, std::move(start), std::move(stop), Shape(src.ndim(), 1), s);   \
  }
TARN_DECLARE_SLICE_UPDATE(slice_update_add)
TARN_DECLARE_SLICE_UPDATE(slice_update_prod)
TARN_DECLARE_SLICE_UPDATE(slice_update_max)
TARN_DECLARE_SLICE_UPDATE(slice_update_min)
#undef TARN_DECLARE_SLICE_UPDATE

}  // namespace tarn
