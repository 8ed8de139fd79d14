// Parts of arrays, picked and joined.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

array concatenate(std::vector<array> arrays, int axis, StreamOrDevice s = {});
array concatenate(std::vector<array> arrays, StreamOrDevice s = {});
array stack(const std::vector<array>& arrays, int axis, StreamOrDevice s = {});
array stack(const std::vector<array>& arrays, StreamOrDevice s = {});

// Of the functions below: indices are integers, not bool, else std::invalid_argument; negative ones
// count from the end. One out of bounds is an index failure of the node.

// The slices of `axis` at `indices`. Without an axis, of the flat array.
array take(const array& a, const array& indices, int axis, StreamOrDevice s = {});
array take(const array& a, int index, int axis, StreamOrDevice s = {});
array take(const array& a, const array& indices, StreamOrDevice s = {});
array take(const array& a, int index, StreamOrDevice s = {});
// The elements at indices[i…] along the axis and at i along the others. The indices have as many
// axes as `a`; other axes than the one of size one stretch to each other's.
array take_along_axis(const array& a, const array& indices, int axis, StreamOrDevice s = {});

// The slices of shape `slice_sizes`, as many axes as `a` has, that begin at the indices along
// `axes` and at 0 along the others. The indices, one array for each axis, broadcast against each
// other; the result has their shape followed by that of the slices. std::invalid_argument for axes
// that are negative, named twice or out of range, and slices larger than `a`.
array gather(const array& a, const std::vector<array>& indices, const std::vector<int>& axes,
             const Shape& slice_sizes, StreamOrDevice s = {});
inline array gather(const array& a, const array& indices, int axis, const Shape& slice_sizes,
                    StreamOrDevice s = {}) {
  return gather(a, std::vector<array>{indices}, std::vector<int>{axis}, slice_sizes, s);
}

// The slice that begins at the elements of `start`, one for each of `axes`, and at 0 along others.
array slice(const array& a, const array& start, std::vector<int> axes, Shape slice_size,
            StreamOrDevice s = {});

}  // namespace tarn
