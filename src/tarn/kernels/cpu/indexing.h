// Reads elements at positions that are data themselves. Every index is checked; negative ones count
// from the end. An index out of bounds throws OperationError(FailureKind::index), for the first one
// in row-major order; `to` is garbage then.
//
// Requires, of each function: `to` is row-contiguous and of the dtype of `from`; indices are of
// integer types.
#pragma once

#include <span>

#include "tarn/base/view.h"

namespace tarn::cpu {

// to[o…, i…, k…] = from[o…, indices[i…], k…], where o counts the axes of `from` before `axis` and k
// those behind it.
void take(const View& from, const View& indices, int axis, const View& to);

// to[i…] = from[i…] with indices[i…] for the index along `axis`. Requires: the shapes of `from`,
// `indices` and `to` agree but for that of `from` along `axis`.
void take_along_axis(const View& from, const View& indices, int axis, const View& to);

// to[i…, j…] = from[j… + the indices[…][i…] along `axes`]. Requires: one index array for each axis,
// all of one shape; the last dimensions of `to`, as many as `from` has, fit into it.
void gather(const View& from, std::span<const View> indices, std::span<const int> axes,
            const View& to);

// to[j…] = from[j… + the elements of `start` along `axes`]. Requires: as many elements as axes; the
// shape of `to` fits into that of `from`.
void dynamic_slice(const View& from, const View& start, std::span<const int> axes, const View& to);

}  // namespace tarn::cpu
