#include "tarn/ops/scan.h"

#include <string>

#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

array scan(ScanOp op, const array& a, int axis, ScanOrder order, StreamOrDevice s) {
  const std::string prefix = "[" + std::string(kScanInfo[int(op)].name) + "] ";
  const int along = normalize_axis_index(axis, int(a.ndim()), prefix);
  return make_node(Op(kKernelClass<ops::Scan>, ops::Scan{op, along, order}), to_stream(s),
                   a.shape(), a.dtype(), a);
}

array cast_for_sum(const array& a, std::optional<Dtype> dtype, StreamOrDevice s) {
  return astype(a, dtype.value_or(a.dtype() == bool_ ? int32 : a.dtype()), s);
}

array cast_for_product(const array& a, std::optional<Dtype> dtype, StreamOrDevice s) {
  return astype(a, dtype.value_or(a.dtype()), s);
}

}  // namespace

array cumsum(const array& a, int axis, bool reverse, bool inclusive, std::optional<Dtype> dtype,
             StreamOrDevice s) {
  return scan(ScanOp::cumsum, cast_for_sum(a, dtype, s), axis, {reverse, inclusive}, s);
}
array cumsum(const array& a, bool reverse, bool inclusive, std::optional<Dtype> dtype,
             StreamOrDevice s) {
  return cumsum(flatten(a, s), 0, reverse, inclusive, dtype, s);
}
array cumprod(const array& a, int axis, bool reverse, bool inclusive, std::optional<Dtype> dtype,
              StreamOrDevice s) {
  return scan(ScanOp::cumprod, cast_for_product(a, dtype, s), axis, {reverse, inclusive}, s);
}
array cumprod(const array& a, bool reverse, bool inclusive, std::optional<Dtype> dtype,
              StreamOrDevice s) {
  return cumprod(flatten(a, s), 0, reverse, inclusive, dtype, s);
}

array cummax(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) {
  return scan(ScanOp::cummax, a, axis, {reverse, inclusive}, s);
}
array cummax(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {
  return cummax(flatten(a, s), 0, reverse, inclusive, s);
}
array cummin(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) {
  return scan(ScanOp::cummin, a, axis, {reverse, inclusive}, s);
}
array cummin(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {
  return cummin(flatten(a, s), 0, reverse, inclusive, s);
}
array logcumsumexp(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) {
  const array x = issubdtype(a.dtype(), inexact) ? a : astype(a, float32, s);
  return scan(ScanOp::logcumsumexp, x, axis, {reverse, inclusive}, s);
}
array logcumsumexp(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {
  return logcumsumexp(flatten(a, s), 0, reverse, inclusive, s);
}

}  // namespace tarn
