// Arrays with more elements around them.
#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/pad.h"

namespace tarn::cpu {

// Copies `from` into `to`, where it begins low[i] elements behind the start of axis i, and fills
// what is around it. `value` is that of PadMode::constant, of the same dtype; the other modes do
// not read it. Requires: `from` fits into `to` there, and has elements along the axes that it
// does not fill, unless the mode is constant; the elements of `to` are distinct places.
void pad(PadMode mode, const View& from, const Shape& low, const void* value, const View& to);

}  // namespace tarn::cpu
