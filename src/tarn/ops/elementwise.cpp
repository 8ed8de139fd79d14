// Elementwise functions: dtypes and shapes are worked out from the operation's declaration.
#include "tarn/ops/functions/elementwise.h"

#include <cmath>
#include <numbers>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/reduce.h"

namespace tarn {

namespace {

const OpClass& class_of(ElementwiseOp op) { return kElementwiseClasses[int(op)]; }

void check_dtype(ElementwiseOp op, Dtype dtype) {
  const ElementwiseTraits& traits = traits_of(op);
  check(accepts(traits.dtypes, dtype), traits.info.name, "is not defined for {} arrays.", dtype);
}

array unary(ElementwiseOp op, const array& a, StreamOrDevice s) {
  const DtypeRule& rule = traits_of(op).dtypes;
  check_dtype(op, a.dtype());
  if (rule.unchanged & kind_of(a.dtype())) return a;
  Dtype computed = compute_dtype(rule, a.dtype());
  Stream stream = to_stream(s);
  return make_node(Op(class_of(op)), stream, a.shape(), result_dtype(rule, computed),
                   astype(a, computed, stream));
}

// In which constants are multiplied to arrays of this dtype.
Dtype inexact_dtype(Dtype dtype) { return issubdtype(dtype, inexact) ? dtype : float32; }

array equals_infinity(const array& a, double infinity, StreamOrDevice s) {
  if (!issubdtype(a.dtype(), inexact)) return zeros(a.shape(), bool_, s);
  return equal(a, array(infinity, a.dtype()), s);
}

// The exact distance between integers may not have their dtype: then the difference is negative.
array distance(const array& a, const array& b, StreamOrDevice s) {
  if (issubdtype(result_type(a, b), inexact)) return abs(subtract(a, b, s), s);
  return subtract(maximum(a, b, s), minimum(a, b, s), s);
}

Shape common_shape(const array& a, const array& b) {
  return a.shape() == b.shape() ? a.shape() : broadcast_shapes(a.shape(), b.shape());
}

array binary(ElementwiseOp op, const array& a, const array& b, StreamOrDevice s) {
  const DtypeRule& rule = traits_of(op).dtypes;
  Dtype promoted = a.dtype() == b.dtype() ? a.dtype() : promote_types(a.dtype(), b.dtype());
  check_dtype(op, promoted);
  Dtype computed = compute_dtype(rule, promoted);
  Stream stream = to_stream(s);
  return make_node(Op(class_of(op)), stream, common_shape(a, b), result_dtype(rule, computed),
                   astype(a, computed, stream), astype(b, computed, stream));
}

}  // namespace

const OpClass kElementwiseClasses[kElementwiseOpCount] = {
#define TARN_CLASS(name, ...)                   \
  {.info = traits_of(ElementwiseOp::name).info, \
   .family = OpFamily::elementwise,             \
   .code = ElementwiseOp::name},
    TARN_CLASS(cast) TARN_UNARY_OPS(TARN_CLASS) TARN_BINARY_OPS(TARN_CLASS)
        TARN_TERNARY_OPS(TARN_CLASS)
#undef TARN_CLASS
};

#define TARN_DEFINE_1(name, Type) \
  array name(const array& a, StreamOrDevice s) { return unary(ElementwiseOp::name, a, s); }
#define TARN_DEFINE_2(name, Type)                                \
  array name(const array& a, const array& b, StreamOrDevice s) { \
    return binary(ElementwiseOp::name, a, b, s);                 \
  }
TARN_UNARY_OPS(TARN_DEFINE_1)
TARN_BINARY_OPS(TARN_DEFINE_2)
#undef TARN_DEFINE_1
#undef TARN_DEFINE_2

array astype(array a, Dtype dtype, StreamOrDevice s) {
  if (a.dtype() == dtype) return a;
  Shape shape = a.shape();
  return make_node(Op(class_of(ElementwiseOp::cast)), to_stream(s), std::move(shape), dtype,
                   std::move(a));
}

array where(const array& condition, const array& x, const array& y, StreamOrDevice s) {
  Stream stream = to_stream(s);
  Dtype promoted = promote_types(x.dtype(), y.dtype());
  Shape shape = broadcast_shapes(common_shape(x, y), condition.shape());
  return make_node(Op(class_of(ElementwiseOp::where)), stream, std::move(shape), promoted,
                   astype(condition, bool_, stream), astype(x, promoted, stream),
                   astype(y, promoted, stream));
}

array round(const array& a, int decimals, StreamOrDevice s) {
  if (decimals == 0) return round(a, s);
  array scale(std::pow(10.0, std::abs(decimals)), inexact_dtype(a.dtype()));
  array scaled = decimals > 0 ? multiply(a, scale, s) : divide(a, scale, s);
  array rounded = round(scaled, s);
  return astype(decimals > 0 ? divide(rounded, scale, s) : multiply(rounded, scale, s), a.dtype(),
                s);
}

array clip(const array& a, const std::optional<array>& a_min, const std::optional<array>& a_max,
           StreamOrDevice s) {
  check(a_min || a_max, "clip", "needs a lower or an upper bound.");
  array clipped = a_min ? maximum(a, *a_min, s) : a;
  return a_max ? minimum(clipped, *a_max, s) : clipped;
}

array positive(const array& a, StreamOrDevice) { return a; }

array degrees(const array& a, StreamOrDevice s) {
  return multiply(a, array(180 / std::numbers::pi, inexact_dtype(a.dtype())), s);
}

array radians(const array& a, StreamOrDevice s) {
  return multiply(a, array(std::numbers::pi / 180, inexact_dtype(a.dtype())), s);
}

std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s) {
  array r = remainder(a, b, s);
  array quotient = floor_divide(a, b, s);
  if (issubdtype(r.dtype(), inexact)) {
    // a / b may have been rounded up to an integer that a does not reach.
    array exact = round(divide(subtract(a, r, s), b, s), s);
    return {where(isfinite(exact, s), exact, quotient, s), r};
  }
  // Integer quotients drop their fraction: one more than the floor where the remainder changed
  // sign.
  array rest = subtract(a, multiply(quotient, b, s), s);
  array is_above = logical_and(not_equal(rest, r, s), not_equal(b, zeros_like(b, s), s), s);
  return {subtract(quotient, astype(is_above, r.dtype(), s), s), r};
}

array isposinf(const array& a, StreamOrDevice s) { return equals_infinity(a, INFINITY, s); }

array isneginf(const array& a, StreamOrDevice s) { return equals_infinity(a, -INFINITY, s); }

array nan_to_num(const array& a, float nan, const std::optional<float>& posinf,
                 const std::optional<float>& neginf, StreamOrDevice s) {
  Dtype dtype = a.dtype();
  check(!issubdtype(dtype, complexfloating), "nan_to_num", "is not defined for {} arrays.", dtype);
  if (!issubdtype(dtype, floating)) return a;
  array largest(posinf ? double(*posinf) : finfo(dtype).max, dtype);
  array lowest(neginf ? double(*neginf) : finfo(dtype).min, dtype);
  array numbers = where(isnan(a, s), array(nan, dtype), a, s);
  numbers = where(isposinf(a, s), largest, numbers, s);
  return where(isneginf(a, s), lowest, numbers, s);
}

array logical_xor(const array& a, const array& b, StreamOrDevice s) {
  return not_equal(astype(a, bool_, s), astype(b, bool_, s), s);
}

array isclose(const array& a, const array& b, double rtol, double atol, bool equal_nan,
              StreamOrDevice s) {
  Dtype dtype = result_type(a, b) == float64 ? float64 : float32;
  // The smallest integer has no magnitude of its dtype.
  array magnitude = abs(issubdtype(b.dtype(), inexact) ? b : astype(b, dtype, s), s);
  array tolerance = add(array(atol, dtype), multiply(array(rtol, dtype), magnitude, s), s);
  array difference = distance(a, b, s);
  array is_close = logical_and(less_equal(difference, tolerance, s), isfinite(b, s), s);
  if (issubdtype(difference.dtype(), signedinteger)) {
    is_close = logical_and(is_close, greater_equal(difference, array(0, difference.dtype()), s), s);
  }
  is_close = logical_or(is_close, equal(a, b, s), s);
  if (!equal_nan) return is_close;
  return logical_or(is_close, logical_and(isnan(a, s), isnan(b, s), s), s);
}

array allclose(const array& a, const array& b, double rtol, double atol, bool equal_nan,
               StreamOrDevice s) {
  return all(isclose(a, b, rtol, atol, equal_nan, s), s);
}

array from_fp8(array x, Dtype dtype, StreamOrDevice s) {
  check(issubdtype(dtype, floating), "from_fp8", "gives floating dtypes, not {}.", dtype);
  return astype(from_fp8(x, s), dtype, s);
}

array operator-(const array& a) { return negative(a); }
array operator~(const array& a) { return bitwise_invert(a); }

Dtype result_type(const array& a, const array& b) { return promote_types(a.dtype(), b.dtype()); }

Dtype result_type(const array& a, const array& b, const array& c) {
  return promote_types(result_type(a, b), c.dtype());
}

Dtype result_type(const std::vector<array>& arrays) {
  Dtype promoted = bool_;
  for (const array& a : arrays) promoted = promote_types(promoted, a.dtype());
  return promoted;
}

}  // namespace tarn
