#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// to = a, but for the slices behind true elements of the mask, which become the slices of `source`,
// one after the other. A slice is what lies behind an element of the mask in `to`, and behind an
// index of the first axis in `source`; there may be more slices in `source` than are used, but too
// few throw OperationError(FailureKind::index), before the first write.
// Requires: one dtype for all but the mask, which is bool and of the shape of the first axes of
// `to`; all but `a` are row-contiguous; `to` is of the shape of `a` and may be its memory.
void masked_scatter(const View& a, const View& mask, const View& source, const View& to);

}  // namespace tarn::cpu
