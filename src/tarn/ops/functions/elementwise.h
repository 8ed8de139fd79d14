// Functions of each element: ops/unary.h, binary.h and ternary.h, and what is composed of them.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/ops/elementwise_op.h"
#include "tarn/runtime/streams.h"

namespace tarn {

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

// The dtype that arrays promote to.
Dtype result_type(const array& a, const array& b);
Dtype result_type(const array& a, const array& b, const array& c);
Dtype result_type(const std::vector<array>& arrays);

}  // namespace tarn
