// Reductions of arrays of any layout along any axes. The result depends on shape and layout only,
// not on the number of threads.
#pragma once

#include <span>

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"
#include "tarn/ops/reduce.h"

namespace tarn::cpu {

// Sums and products of 16- and 32-bit floats are accumulated in blocks and in double; of integers
// they wrap. max and min are NaN if an element is. An empty sum is 0, product 1, all true, any
// false. Requires: `axes` are distinct and not negative; `out` is row-major, has
// reduce_result_dtype(op, in.dtype), of a sum also any floating dtype, and an element for each of
// `in` without the axes; max and min have an element to choose.
void reduce(ReduceOp op, const View& in, std::span<const int> axes, const View& out,
            const AllocateScratch& allocate);

// The index along `axis` of the first element that no later one exceeds (of min: is below). A NaN
// counts only in first place, where nothing exceeds it. Requires: `axis` is not negative and not
// empty; `out` is row-major uint32, with an element for each of `in` without the axis.
void arg_reduce(bool is_max, const View& in, int axis, const View& out);

}  // namespace tarn::cpu
