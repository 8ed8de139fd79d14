// Reads elements at positions that are data themselves. Every index is checked.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// to[o…, i…, k…] = from[o…, indices[i…], k…], where o counts the axes of `from` before `axis` and k
// those behind it. Negative indices count from the end. Throws OperationError(FailureKind::index)
// for the first index, in row-major order of `indices`, that lies outside; `to` is garbage then.
// Requires: `to` is row-contiguous, of the dtype of `from` and of the shape above; the indices are
// of an integer type.
void take(const View& from, const View& indices, int axis, const View& to);

}  // namespace tarn::cpu
