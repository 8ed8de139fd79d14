// The same elements in another shape or order: views where the layout allows.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// One dimension may be -1: what remains.
array reshape(const array& a, Shape shape, StreamOrDevice s = {});
// The axes from start_axis to end_axis as one; axes beyond the array's stand for its first and last
// one. A scalar becomes a vector.
array flatten(const array& a, int start_axis, int end_axis = -1, StreamOrDevice s = {});
array flatten(const array& a, StreamOrDevice s = {});
// `axis` as several, of which one may be -1.
array unflatten(const array& a, int axis, Shape shape, StreamOrDevice s = {});
array squeeze(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array squeeze(const array& a, int axis, StreamOrDevice s = {});
array squeeze(const array& a, StreamOrDevice s = {});
// Axes count in the result.
array expand_dims(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array expand_dims(const array& a, int axis, StreamOrDevice s = {});
// With axes of size one where there are fewer axes: (), (n) and (n, m) become (1, 1, 1), (1, n, 1)
// and (n, m, 1).
array atleast_1d(const array& a, StreamOrDevice s = {});
std::vector<array> atleast_1d(const std::vector<array>& a, StreamOrDevice s = {});
array atleast_2d(const array& a, StreamOrDevice s = {});
std::vector<array> atleast_2d(const std::vector<array>& a, StreamOrDevice s = {});
array atleast_3d(const array& a, StreamOrDevice s = {});
std::vector<array> atleast_3d(const std::vector<array>& a, StreamOrDevice s = {});

array transpose(const array& a, std::vector<int> axes, StreamOrDevice s = {});
inline array transpose(const array& a, std::initializer_list<int> axes, StreamOrDevice s = {}) {
  return transpose(a, std::vector<int>(axes), s);
}
array transpose(const array& a, StreamOrDevice s = {});
array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s = {});
array moveaxis(const array& a, int source, int destination, StreamOrDevice s = {});
// Along all axes, some, or one.
array flip(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array flip(const array& a, int axis, StreamOrDevice s = {});
array flip(const array& a, StreamOrDevice s = {});

array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s = {});
std::vector<array> broadcast_arrays(const std::vector<array>& inputs, StreamOrDevice s = {});

// Bounds as in Python's a[start:stop:strides], one for each axis.
array slice(const array& a, Shape start, Shape stop, Shape strides, StreamOrDevice s = {});
inline array slice(const array& a, std::initializer_list<int> start, Shape stop, Shape strides,
                   StreamOrDevice s = {}) {
  return slice(a, Shape(start), std::move(stop), std::move(strides), s);
}
array slice(const array& a, Shape start, Shape stop, StreamOrDevice s = {});
// `num_splits` equal pieces; or those that begin at 0 and at each index and end at the next, with
// indices as in a slice.
std::vector<array> split(const array& a, int num_splits, int axis, StreamOrDevice s = {});
std::vector<array> split(const array& a, int num_splits, StreamOrDevice s = {});
std::vector<array> split(const array& a, const Shape& indices, int axis, StreamOrDevice s = {});
std::vector<array> split(const array& a, const Shape& indices, StreamOrDevice s = {});
// The slices along an axis, without it.
std::vector<array> unstack(const array& a, int axis, StreamOrDevice s = {});
std::vector<array> unstack(const array& a, StreamOrDevice s = {});
// The elements at the same place along both axes, or `offset` behind it along axis2, as the last
// axis.
array diagonal(const array& a, int offset = 0, int axis1 = 0, int axis2 = 1, StreamOrDevice s = {});
// Element (i, j, …) is number offset + i * strides[0] + j * strides[1] + … of the flat array. All
// must be in it: else std::invalid_argument.
array as_strided(array a, Shape shape, Strides strides, size_t offset, StreamOrDevice s = {});

array contiguous(const array& a, bool allow_col_major = false, StreamOrDevice s = {});
// The same bytes as another dtype; the last axis grows or shrinks with the size of the elements.
array view(const array& a, const Dtype& dtype, StreamOrDevice s = {});

}  // namespace tarn
