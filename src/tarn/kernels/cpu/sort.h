// Order along the last axis, for arrays of any layout. See ops/sort.h for what is larger than what.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// Ascending and stable: of equal elements that differ in their bits, the one that is first in `in`
// comes first, but for NaNs, which come in any order. Requires: `out` is row-major, of the shape
// and dtype of `in`, and other memory; `scratch` has sort_scratch_bytes(in) bytes, aligned to 16.
void sort(const View& in, const View& out, void* scratch);
int64_t sort_scratch_bytes(const View& in);

// The positions along the axis of the elements in order; stable, NaNs too. Requires: `out` is
// row-major uint32 of the shape of `in`; `scratch` has argsort_scratch_bytes(in) bytes, aligned
// to 16.
void argsort(const View& in, const View& out, void* scratch);
int64_t argsort_scratch_bytes(const View& in);

// The out.shape[out.ndim - 1] largest elements along the axis, in any order. Requires: `out` is
// row-major, of the dtype of `in` and, but for the last axis, its shape; that is no longer than
// that of `in`. `in` is not complex.
void top_k(const View& in, const View& out);

}  // namespace tarn::cpu
