// Order along an axis.
#pragma once

#include <string>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Ascending and stable. NaN is larger than any number; complex numbers are compared by real part,
// then by imaginary part, and are NaN if a part is. Without an axis, the flat array is sorted. An
// axis out of range throws std::invalid_argument.
array sort(const array& a, StreamOrDevice s = {});
array sort(const array& a, int axis, StreamOrDevice s = {});
// The positions along the axis, uint32.
array argsort(const array& a, StreamOrDevice s = {});
array argsort(const array& a, int axis, StreamOrDevice s = {});

// What sort() has at position `kth`, which may count from the end, is there; what is not above it
// is before it, and the others are behind. A position out of range throws std::invalid_argument.
array partition(const array& a, int kth, StreamOrDevice s = {});
array partition(const array& a, int kth, int axis, StreamOrDevice s = {});
array argpartition(const array& a, int kth, StreamOrDevice s = {});
array argpartition(const array& a, int kth, int axis, StreamOrDevice s = {});

// The k largest elements, in any order. Throws std::invalid_argument unless 0 <= k <= their number.
array topk(const array& a, int k, StreamOrDevice s = {});
array topk(const array& a, int k, int axis, StreamOrDevice s = {});

// For each value, the place in a sorted vector before which it belongs, uint32: of equal elements
// the first ("left") or the one behind the last ("right"). Throws std::invalid_argument for another
// side or number of axes.
array searchsorted(const array& sorted_sequence, const array& values,
                   const std::string& side = "left", StreamOrDevice s = {});

// The element in the middle of those in order, the mean of two if their number is even; NaN if
// there is one. float32 of integers. Throws std::invalid_argument for axes that are out of range,
// named twice or empty.
array median(const array& a, bool keepdims, StreamOrDevice s = {});
inline array median(const array& a, StreamOrDevice s = {}) { return median(a, false, s); }
array median(const array& a, const std::vector<int>& axes, bool keepdims = false,
             StreamOrDevice s = {});
inline array median(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {}) {
  return median(a, std::vector<int>{axis}, keepdims, s);
}

}  // namespace tarn
