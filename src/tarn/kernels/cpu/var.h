// Variance of arrays of any layout along any axes. The result depends on shape and layout only, not
// on the number of threads.
#pragma once

#include <span>

#include "tarn/base/view.h"

namespace tarn::cpu {

// The sum of squared distances from the mean over max(n - ddof, 0), where n elements share an
// output. Computed in float, in double for float64, with blocks joined in double: reads the input
// once and does not lose digits to a mean that is large against the distances.
// Requires: `axes` are distinct and not negative; `out` is row-major, of a floating dtype, with an
// element for each of `in` without the axes; `in` is not complex.
void var(const View& in, std::span<const int> axes, int ddof, const View& out);

}  // namespace tarn::cpu
