// Writes slices to places that are data themselves.
//
// Every index is checked before the first write; negative ones count from the end. An index out of
// bounds throws OperationError(FailureKind::index), for the first in row-major order. Updates of
// one element are applied in row-major order of the updates, whatever the number of threads; of
// those that are assigned the last remains. 16-bit floats are added and multiplied in float32 and
// rounded once for every 65,536 slices.
//
// Requires, of each function: one dtype for `a`, `updates` and `to`, and one shape for `a` and
// `to`; `updates` and `to` are row-contiguous; indices are of integer types. `to` may be the memory
// of `a`: then only what the indices name is read and written.
#pragma once

#include <span>

#include "tarn/base/view.h"
#include "tarn/ops/scatter.h"

namespace tarn::cpu {

// to = a; then at [j… + the indices[…][i…] along `axes`] combined with updates[i…, j…]. Requires:
// one index array for each axis, all of one shape; the last dimensions of `updates`, as many as `a`
// has, fit into it.
void scatter(ScatterMode mode, const View& a, std::span<const View> indices,
             std::span<const int> axes, const View& updates, const View& to);

// to = a; then at [i…], with indices[i…] for the index along `axis`, combined with updates[i…].
// Requires: the shapes of `a`, `indices` and `updates` agree but for that of `a` along `axis`.
void scatter_axis(ScatterMode mode, const View& a, const View& indices, int axis,
                  const View& updates, const View& to);

}  // namespace tarn::cpu
