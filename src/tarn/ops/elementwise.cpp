// Elementwise functions: dtypes and shapes are worked out from the operation's declaration.
#include <cmath>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

const OpClass& class_of(ElementwiseOp op) { return kElementwiseClasses[int(op)]; }

void check_dtype(ElementwiseOp op, Dtype dtype) {
  const ElementwiseTraits& traits = traits_of(op);
  check((traits.dtypes.accepts & kind_of(dtype)) != 0, traits.info.name,
        "is not defined for {} arrays.", dtype);
}

array unary(ElementwiseOp op, const array& a, StreamOrDevice s) {
  const DtypeRule& rule = traits_of(op).dtypes;
  check_dtype(op, a.dtype());
  Dtype computed = compute_dtype(rule, a.dtype());
  Stream stream = to_stream(s);
  return make_node(Op(class_of(op)), stream, a.shape(), result_dtype(rule, computed),
                   astype(a, computed, stream));
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
  Dtype floating = issubdtype(a.dtype(), inexact) ? a.dtype() : float32;
  array scale(std::pow(10.0, std::abs(decimals)), floating);
  array scaled = decimals > 0 ? multiply(a, scale, s) : divide(a, scale, s);
  array rounded = round(scaled, s);
  return astype(decimals > 0 ? divide(rounded, scale, s) : multiply(rounded, scale, s), a.dtype(),
                s);
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
