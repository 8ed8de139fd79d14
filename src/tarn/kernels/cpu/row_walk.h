// The rows of an array, along its last axis, and where they lie. For operations on whole rows whose
// output is row-major; not for use outside their files.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

// `x`, or in its place a copy in `out`, with rows of adjacent elements.
inline View with_dense_rows(const View& x, const View& out) {
  if (x.shape[x.ndim - 1] == 1 || x.strides[x.ndim - 1] == 1) return x;
  copy(x, out);
  return out;
}

// Whether a result is written past the caches: it is large, and not where its input is.
inline bool streams_to(const View& out, const View& x) {
  return out.nbytes() >= kStreamBytes && out.data != x.data;
}

// Calls f(scratch, row of x, row of out) for every row, on several threads, each of which makes a
// scratch for itself. Requires: x has elements, and dense rows; out is row-major.
template <class MakeScratch, class F>
void for_each_row(const View& x, const View& out, int64_t elements_per_range,
                  MakeScratch make_scratch, F f) {
  const int64_t n = x.shape[x.ndim - 1];
  parallel_ranges(x.size / n, std::max<int64_t>(1, elements_per_range / n), [&](RangeQueue& queue) {
    auto scratch = make_scratch();
    StridedIndex<1> row({x.shape, size_t(x.ndim - 1)}, {x.strides});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      row.seek(range.begin);
      for (int64_t i = range.begin; i < range.end; ++i, row.next()) {
        f(scratch, x.as<const char>() + row.offset(0) * x.itemsize(),
          out.as<char>() + i * n * out.itemsize());
      }
    }
    stream_fence();
  });
}

}  // namespace tarn::cpu
