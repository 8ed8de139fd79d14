// Functions of the elements along axes.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/ops/tensor_stats.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Over all axes, some, or one; `keepdims` leaves axes of size one.

#define TARN_DECLARE_REDUCTION(name)                                                          \
  array name(const array& a, bool keepdims, StreamOrDevice s = {});                           \
  inline array name(const array& a, StreamOrDevice s = {}) { return name(a, false, s); }      \
  array name(const array& a, const std::vector<int>& axes, bool keepdims = false,             \
             StreamOrDevice s = {});                                                          \
  inline array name(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {}) { \
    return name(a, std::vector<int>{axis}, keepdims, s);                                      \
  }
TARN_DECLARE_REDUCTION(all)
TARN_DECLARE_REDUCTION(any)
TARN_DECLARE_REDUCTION(sum)
TARN_DECLARE_REDUCTION(prod)
TARN_DECLARE_REDUCTION(max)
TARN_DECLARE_REDUCTION(min)
TARN_DECLARE_REDUCTION(mean)
TARN_DECLARE_REDUCTION(logsumexp)
#undef TARN_DECLARE_REDUCTION

// Sum of squared distances from the mean, over n - ddof.
array var(const array& a, bool keepdims, int ddof = 0, StreamOrDevice s = {});
inline array var(const array& a, StreamOrDevice s = {}) { return var(a, false, 0, s); }
array var(const array& a, const std::vector<int>& axes, bool keepdims = false, int ddof = 0,
          StreamOrDevice s = {});
array var(const array& a, int axis, bool keepdims = false, int ddof = 0, StreamOrDevice s = {});
// The square root of var.
array std(const array& a, bool keepdims, int ddof = 0, StreamOrDevice s = {});
inline array std(const array& a, StreamOrDevice s = {}) { return std(a, false, 0, s); }
array std(const array& a, const std::vector<int>& axes, bool keepdims = false, int ddof = 0,
          StreamOrDevice s = {});
array std(const array& a, int axis, bool keepdims = false, int ddof = 0, StreamOrDevice s = {});

// How many elements are not zero: int32.
array count_nonzero(const array& a, bool keepdims = false, StreamOrDevice s = {});
array count_nonzero(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {});
array count_nonzero(const array& a, const std::vector<int>& axes, bool keepdims = false,
                    StreamOrDevice s = {});
// How many elements there are along the axes, or one over it if `inverted`: a scalar.
array number_of_elements(const array& a, std::vector<int> axes, bool inverted, Dtype dtype = int32,
                         StreamOrDevice s = {});

// Each element less the one before it along the axis, n times over; of bool, whether they differ.
array diff(const array& a, int n = 1, int axis = -1, StreamOrDevice s = {});

// The index, uint32, of the first largest or smallest element; without an axis, in the flat array.
array argmax(const array& a, bool keepdims, StreamOrDevice s = {});
inline array argmax(const array& a, StreamOrDevice s = {}) { return argmax(a, false, s); }
array argmax(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {});
array argmin(const array& a, bool keepdims, StreamOrDevice s = {});
inline array argmin(const array& a, StreamOrDevice s = {}) { return argmin(a, false, s); }
array argmin(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {});

// exp(a) over its sum along the axes. 16-bit floats are always computed in float32, which is what
// `precise` asks for in MLX.
array softmax(const array& a, const std::vector<int>& axes, bool precise = false,
              StreamOrDevice s = {});
array softmax(const array& a, bool precise = false, StreamOrDevice s = {});
array softmax(const array& a, int axis, bool precise = false, StreamOrDevice s = {});

// The fields of TensorStats, in a pass over `a`: a float64 vector. See ops/tensor_stats.h.
array tensor_stats(const array& a, NumberFormat format = NumberFormat::of_dtype,
                   StreamOrDevice s = {});

// Whether all elements are equal; false for different shapes. A bool scalar.
array array_equal(const array& a, const array& b, bool equal_nan, StreamOrDevice s = {});
inline array array_equal(const array& a, const array& b, StreamOrDevice s = {}) {
  return array_equal(a, b, false, s);
}

}  // namespace tarn
