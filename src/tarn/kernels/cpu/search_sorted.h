#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// See ops::SearchSorted. Requires: `sorted` has one axis, and the dtype of `values`; `out` is
// row-major uint32 of the shape of `values`.
void search_sorted(const View& sorted, const View& values, bool right, const View& out);

}  // namespace tarn::cpu
