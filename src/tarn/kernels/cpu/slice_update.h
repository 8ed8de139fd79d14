// Replaces a part of an array.
//
// Requires, of each function: one dtype for all but indices; `to` is row-contiguous and of the
// shape of `a`. It may be the memory of `a`: then only the part is written.
#pragma once

#include <span>

#include "tarn/base/layout.h"
#include "tarn/base/view.h"

namespace tarn::cpu {

// to = a, but for the slice, which becomes `update`. Requires: `update` is of the slice's shape.
void slice_update(const View& a, const View& update, const ResolvedSlice& bounds, const View& to);

// The same for a slice of the shape of `update` that begins at the elements of `start` along
// `axes`. They are checked before the first write; one out of bounds throws
// OperationError(FailureKind::index).
void dynamic_slice_update(const View& a, const View& update, const View& start,
                          std::span<const int> axes, const View& to);

}  // namespace tarn::cpu
