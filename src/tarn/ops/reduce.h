// Reductions: which exist, and the dtypes they go from and to.
#pragma once

#include <vector>

#include "tarn/base/dtype.h"
#include "tarn/ops/op_info.h"

#define TARN_REDUCE_OPS(X)                             \
  X(all, "Whether all elements are nonzero.")          \
  X(any, "Whether some element is nonzero.")           \
  X(max, "The largest element; NaN if there is one.")  \
  X(min, "The smallest element; NaN if there is one.") \
  X(prod, "The product of the elements.")              \
  X(sum, "The sum of the elements.")

namespace tarn {

enum class ReduceOp : unsigned char {
#define TARN_ENUMERATOR(name, doc) name,
  TARN_REDUCE_OPS(TARN_ENUMERATOR)
#undef TARN_ENUMERATOR
};

inline constexpr OpInfo kReduceInfo[] = {
#define TARN_INFO(name, doc) {#name, "a, axes=None, keepdims=False", doc},
    TARN_REDUCE_OPS(TARN_INFO)
#undef TARN_INFO
};

// Narrow integers are summed and multiplied in 32 bits; all and any give bool.
constexpr Dtype reduce_result_dtype(ReduceOp op, Dtype dtype) {
  switch (op) {
    case ReduceOp::all:
    case ReduceOp::any:
      return bool_;
    case ReduceOp::max:
    case ReduceOp::min:
      return dtype;
    case ReduceOp::prod:
    case ReduceOp::sum:
      break;
  }
  switch (dtype.val()) {
    case Dtype::Val::bool_:
    case Dtype::Val::int8:
    case Dtype::Val::int16:
      return int32;
    case Dtype::Val::uint8:
    case Dtype::Val::uint16:
      return uint32;
    default:
      return dtype;
  }
}

namespace ops {

// The output has the dtype of reduce_result_dtype, of a sum also any floating dtype, and the
// input's shape, with or without the axes.
struct Reduce {
  static constexpr OpInfo info{"reduce", "a, axes, keepdims",
                               "One element from all along some axes."};
  static constexpr bool kReadsProgram = true;

  ReduceOp op;
  std::vector<int> axes;  // ascending
};

// The index, uint32, of the first largest (or smallest) element along an axis.
struct ArgReduce {
  static constexpr OpInfo info{"argreduce", "a, axis, keepdims",
                               "Where along an axis the extreme is."};

  bool is_max;
  int axis;
};

}  // namespace ops
}  // namespace tarn
