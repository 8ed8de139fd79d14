// The public functions on arrays. Names, parameters and behaviour are MLX's; what Python users know
// of NumPy holds.
//
// All build nodes: nothing is computed until somebody evaluates. A user's mistake throws
// std::invalid_argument when the node is built, with the operation and the shapes; an axis out of
// range in a reduction throws std::out_of_range, a dimension beyond int32 std::overflow_error.
// Arrays broadcast against each other, dtypes promote (promote_types).
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/ops/elementwise_op.h"
#include "tarn/ops/tensor_stats.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// --- creation ---

// start, start + step, … below stop. Integers give int32, doubles float32.
array arange(double start, double stop, double step, Dtype dtype, StreamOrDevice s = {});
array arange(double start, double stop, double step, StreamOrDevice s = {});
array arange(double start, double stop, Dtype dtype, StreamOrDevice s = {});
array arange(double start, double stop, StreamOrDevice s = {});
array arange(double stop, Dtype dtype, StreamOrDevice s = {});
array arange(double stop, StreamOrDevice s = {});
array arange(int start, int stop, int step, StreamOrDevice s = {});
array arange(int start, int stop, StreamOrDevice s = {});
array arange(int stop, StreamOrDevice s = {});

// `num` numbers from start to stop, with stop itself if `endpoint`.
array linspace(double start, double stop, int num, bool endpoint, Dtype dtype = float32,
               StreamOrDevice s = {});
array linspace(double start, double stop, int num = 50, Dtype dtype = float32,
               StreamOrDevice s = {});

// `vals`, broadcast to `shape`.
array full(Shape shape, array vals, Dtype dtype, StreamOrDevice s = {});
array full(Shape shape, array vals, StreamOrDevice s = {});
template <ElementType T>
array full(Shape shape, T val, Dtype dtype, StreamOrDevice s = {}) {
  return full(std::move(shape), array(val, dtype), s);
}
template <ElementType T>
array full(Shape shape, T val, StreamOrDevice s = {}) {
  return full(std::move(shape), array(val), s);
}
array full_like(const array& a, array vals, Dtype dtype, StreamOrDevice s = {});
array full_like(const array& a, array vals, StreamOrDevice s = {});
array zeros(const Shape& shape, Dtype dtype, StreamOrDevice s = {});
array zeros(const Shape& shape, StreamOrDevice s = {});
array zeros_like(const array& a, StreamOrDevice s = {});
array zeros_like(const array& a, Dtype dtype, StreamOrDevice s = {});
array ones(const Shape& shape, Dtype dtype, StreamOrDevice s = {});
array ones(const Shape& shape, StreamOrDevice s = {});
array ones_like(const array& a, StreamOrDevice s = {});
array ones_like(const array& a, Dtype dtype, StreamOrDevice s = {});

// (n, m), ones where column - row == k.
array eye(int n, int m, int k, Dtype dtype, StreamOrDevice s = {});
array eye(int n, Dtype dtype, StreamOrDevice s = {});
array eye(int n, int m, StreamOrDevice s = {});
array eye(int n, int m, int k, StreamOrDevice s = {});
array eye(int n, StreamOrDevice s = {});

// --- elementwise ---

// Of each operation in ops/unary.h, binary.h and ternary.h: array sin(const array& x, …) and so on.
#define TARN_DECLARE_1(name, Type) array name(const array& a, StreamOrDevice s = {});
#define TARN_DECLARE_2(name, Type) \
  array name(const array& a, const array& b, StreamOrDevice s = {});
TARN_UNARY_OPS(TARN_DECLARE_1)
TARN_BINARY_OPS(TARN_DECLARE_2)
#undef TARN_DECLARE_1
#undef TARN_DECLARE_2

array astype(array a, Dtype dtype, StreamOrDevice s = {});
// x where the condition holds, else y.
array where(const array& condition, const array& x, const array& y, StreamOrDevice s = {});
// To `decimals` places; negative ones round before the point.
array round(const array& a, int decimals, StreamOrDevice s = {});

array operator-(const array& a);
array operator~(const array& a);
#define TARN_DECLARE_OPERATOR(symbol, name)                                           \
  inline array operator symbol(const array& a, const array& b) { return name(a, b); } \
  template <ElementType T>                                                            \
  array operator symbol(const array& a, T b) {                                        \
    return name(a, array(b));                                                         \
  }                                                                                   \
  template <ElementType T>                                                            \
  array operator symbol(T a, const array& b) {                                        \
    return name(array(a), b);                                                         \
  }
TARN_DECLARE_OPERATOR(+, add)
TARN_DECLARE_OPERATOR(-, subtract)
TARN_DECLARE_OPERATOR(*, multiply)
TARN_DECLARE_OPERATOR(/, divide)
TARN_DECLARE_OPERATOR(%, remainder)
TARN_DECLARE_OPERATOR(==, equal)
TARN_DECLARE_OPERATOR(!=, not_equal)
TARN_DECLARE_OPERATOR(<, less)
TARN_DECLARE_OPERATOR(<=, less_equal)
TARN_DECLARE_OPERATOR(>, greater)
TARN_DECLARE_OPERATOR(>=, greater_equal)
TARN_DECLARE_OPERATOR(&, bitwise_and)
TARN_DECLARE_OPERATOR(|, bitwise_or)
TARN_DECLARE_OPERATOR(^, bitwise_xor)
TARN_DECLARE_OPERATOR(<<, left_shift)
TARN_DECLARE_OPERATOR(>>, right_shift)
#undef TARN_DECLARE_OPERATOR
inline array operator&&(const array& a, const array& b) { return logical_and(a, b); }
inline array operator||(const array& a, const array& b) { return logical_or(a, b); }

// --- reductions ---
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

// --- shapes ---

// One dimension may be -1: what remains.
array reshape(const array& a, Shape shape, StreamOrDevice s = {});
array flatten(const array& a, int start_axis, int end_axis = -1, StreamOrDevice s = {});
array flatten(const array& a, StreamOrDevice s = {});
array squeeze(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array squeeze(const array& a, int axis, StreamOrDevice s = {});
array squeeze(const array& a, StreamOrDevice s = {});
// Axes count in the result.
array expand_dims(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
array expand_dims(const array& a, int axis, StreamOrDevice s = {});
array transpose(const array& a, std::vector<int> axes, StreamOrDevice s = {});
inline array transpose(const array& a, std::initializer_list<int> axes, StreamOrDevice s = {}) {
  return transpose(a, std::vector<int>(axes), s);
}
array transpose(const array& a, StreamOrDevice s = {});
array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s = {});
array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s = {});
// Bounds as in Python's a[start:stop:strides], one for each axis.
array slice(const array& a, Shape start, Shape stop, Shape strides, StreamOrDevice s = {});
array slice(const array& a, Shape start, Shape stop, StreamOrDevice s = {});
array contiguous(const array& a, bool allow_col_major = false, StreamOrDevice s = {});
// The same bytes as another dtype; the last axis grows or shrinks with the size of the elements.
array view(const array& a, const Dtype& dtype, StreamOrDevice s = {});

// --- parts ---

array concatenate(std::vector<array> arrays, int axis, StreamOrDevice s = {});
array concatenate(std::vector<array> arrays, StreamOrDevice s = {});
array stack(const std::vector<array>& arrays, int axis, StreamOrDevice s = {});
array stack(const std::vector<array>& arrays, StreamOrDevice s = {});
// The slices of `axis` at `indices`; negative ones count from the end. Without an axis, of the flat
// array. An index out of bounds is an index failure of the node.
array take(const array& a, const array& indices, int axis, StreamOrDevice s = {});
array take(const array& a, int index, int axis, StreamOrDevice s = {});
array take(const array& a, const array& indices, StreamOrDevice s = {});
array take(const array& a, int index, StreamOrDevice s = {});

// --- graph ---

array copy(array a, StreamOrDevice s = {});
array stop_gradient(const array& a, StreamOrDevice s = {});
// The inputs, computed after the dependencies: they fail if a dependency does.
std::vector<array> depends(const std::vector<array>& inputs,
                           const std::vector<array>& dependencies);

// --- matrices ---

// Products over the last axis of a and the last but one of b; leading axes broadcast.
array matmul(const array& a, const array& b, StreamOrDevice s = {});

namespace linalg {

// Of float32 and float64 matrices in the last two axes; integers are an error.
array inv(const array& a, StreamOrDevice s = {});
// L with L Lᵀ = a, or U with Uᵀ U = a; only one triangle of a is read.
array cholesky(const array& a, bool upper = false, StreamOrDevice s = {});
// x with a x = b; b is a vector or a matrix of columns.
array solve(const array& a, const array& b, StreamOrDevice s = {});

}  // namespace linalg

// --- dtypes and shapes of results ---

Dtype result_type(const array& a, const array& b);
Dtype result_type(const array& a, const array& b, const array& c);
Dtype result_type(const std::vector<array>& arrays);

}  // namespace tarn
