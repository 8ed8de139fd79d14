// Functions of each element: ops/unary.h, elementary.h, binary.h and ternary.h, and what is
// composed of them.
#pragma once

#include <complex>
#include <optional>
#include <type_traits>
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

// A float that is outside of an integer dtype becomes any number of it.
array astype(array a, Dtype dtype, StreamOrDevice s = {});
// x where the condition holds, else y.
array where(const array& condition, const array& x, const array& y, StreamOrDevice s = {});
// To `decimals` places; negative ones round before the point.
array round(const array& a, int decimals, StreamOrDevice s = {});
// At least a_min and at most a_max, in the dtype that all promote to. Throws if both are missing.
array clip(const array& a, const std::optional<array>& a_min = std::nullopt,
           const std::optional<array>& a_max = std::nullopt, StreamOrDevice s = {});
array positive(const array& a, StreamOrDevice s = {});
array degrees(const array& a, StreamOrDevice s = {});
array radians(const array& a, StreamOrDevice s = {});
// Quotient, rounded down, and remainder, of the sign of b: quotient * b + remainder is a. Of
// integers both are 0 where b is 0.
std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s = {});

array isposinf(const array& a, StreamOrDevice s = {});
array isneginf(const array& a, StreamOrDevice s = {});
// NaN and the infinities replaced by numbers: these by the largest and the lowest of the dtype
// where nothing is given. Complex arrays are not accepted.
array nan_to_num(const array& a, float nan = 0.0f,
                 const std::optional<float>& posinf = std::nullopt,
                 const std::optional<float>& neginf = std::nullopt, StreamOrDevice s = {});
// True where |a - b| <= atol + rtol |b|, and where a equals b, infinite or not.
array isclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8,
              bool equal_nan = false, StreamOrDevice s = {});
// Whether that is so of all elements.
array allclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8,
               bool equal_nan = false, StreamOrDevice s = {});

// True where a or b is nonzero, not both.
array logical_xor(const array& a, const array& b, StreamOrDevice s = {});

// The values of 8-bit floats (E4M3), held in a uint8 array, in a floating dtype.
array from_fp8(array x, Dtype dtype, StreamOrDevice s = {});

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
// A real number in a quotient is a double, whatever its type, and so rounded to float32.
template <ElementType T>
using QuotientScalar =
    std::conditional_t<std::is_same_v<T, complex64_t> || std::is_same_v<T, std::complex<float>>,
                       complex64_t, double>;
inline array operator/(const array& a, const array& b) { return divide(a, b); }
template <ElementType T>
array operator/(const array& a, T b) {
  return divide(a, array(QuotientScalar<T>(b)));
}
template <ElementType T>
array operator/(T a, const array& b) {
  return divide(array(QuotientScalar<T>(a)), b);
}
inline array operator&&(const array& a, const array& b) { return logical_and(a, b); }
inline array operator||(const array& a, const array& b) { return logical_or(a, b); }

// The dtype that arrays promote to.
Dtype result_type(const array& a, const array& b);
Dtype result_type(const array& a, const array& b, const array& c);
Dtype result_type(const std::vector<array>& arrays);

}  // namespace tarn
