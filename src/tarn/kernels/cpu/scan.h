// Scans of arrays of any layout along an axis. The result depends on shape and dtype only, not on
// the number of threads.
#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/scan.h"

namespace tarn::cpu {

// Sums and products of floats of up to 32 bits are carried in double and rounded once for each
// result: cumsum is within half a unit in the last place, and n * 2^-53 times the sum of absolute
// values, of the exact sum. Those of double are within n * 2^-53 times that sum. Integers wrap.
// Requires: `axis` is not negative; `out` is row-major, of the shape and dtype of `in`, and the
// same memory as `in` or other memory; sums are not of bool, logcumsumexp is of floats or complex.
void scan(ScanOp op, const View& in, int axis, ScanOrder order, const View& out);

}  // namespace tarn::cpu
