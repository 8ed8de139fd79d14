// Rotary position embedding.
#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/fast.h"

namespace tarn::cpu {

// Angles are computed in double: they are as accurate for large positions as for small ones.
// Requires: what ops/fast.h says of the inputs, of which `freqs` may be null; `x` has three axes or
// more; `out` is row-major, of the shape and dtype of `x`, and the same memory as `x`, row-major,
// or other memory.
void rope(const ops::Rope& op, const View& x, const View& offset, const View* freqs,
          const View& out);

}  // namespace tarn::cpu
