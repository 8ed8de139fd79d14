// Moves elements between layouts without changing them: behind contiguous, concatenate, stack, fill
// and slice_update.
#pragma once

#include <span>

#include "tarn/base/view.h"

namespace tarn::cpu {

// Copies each element of `from` to the same index of `to`.
// Requires: same shape and element size; the elements of `to` are distinct places, and none of them
// is read through `from`.
void copy(const View& from, const View& to);

// Copies the inputs into `to`, one behind the other along `axis`.
// Requires: shapes that agree but for `axis`, where the dimensions of the inputs add up to that of
// `to`; otherwise as copy().
void concatenate(std::span<const View> inputs, int axis, const View& to);

}  // namespace tarn::cpu
