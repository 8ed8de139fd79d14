#include "tarn/ops/linalg.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

void check_square(const array& a, const char* op) {
  check(a.ndim() >= 2 && a.shape(-1) == a.shape(-2), op, "wants square matrices, got shape {}.",
        a.shape());
}

void check_real_floating(Dtype dtype, const char* op) {
  check(dtype == float32 || dtype == float64, op, "is defined for float32 and float64, got {}.",
        dtype);
}

Shape leading(const array& a) { return Shape(a.shape().begin(), a.shape().end() - 2); }

array with_leading(const array& a, const Shape& leading, StreamOrDevice s) {
  Shape shape = leading;
  shape.push_back(a.shape(-2));
  shape.push_back(a.shape(-1));
  return broadcast_to(a, shape, s);
}

}  // namespace

array matmul(const array& a, const array& b, StreamOrDevice s) {
  check(a.ndim() > 0 && b.ndim() > 0, "matmul", "a scalar is no matrix: shapes {} and {}.",
        a.shape(), b.shape());
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  check(issubdtype(dtype, inexact), "matmul",
        "is defined for floating and complex dtypes, got {} and {}.", a.dtype(), b.dtype());
  if (a.ndim() == 1) return squeeze(matmul(expand_dims(a, 0, s), b, s), b.ndim() == 1 ? -1 : -2, s);
  if (b.ndim() == 1) return squeeze(matmul(a, expand_dims(b, 1, s), s), -1, s);
  check(a.shape(-1) == b.shape(-2), "matmul", "inner dimensions of shapes {} and {} differ.",
        a.shape(), b.shape());

  Stream stream = to_stream(s);
  Shape shape = broadcast_shapes(leading(a), leading(b));
  array x = with_leading(astype(a, dtype, stream), shape, stream);
  array y = with_leading(astype(b, dtype, stream), shape, stream);
  shape.push_back(a.shape(-2));
  shape.push_back(b.shape(-1));
  return make_node(Op(kKernelClass<ops::Matmul>), stream, std::move(shape), dtype, x, y);
}

array linalg::inv(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "inv");
  check_square(a, "inv");
  return make_node(Op(kKernelClass<ops::Inverse>), to_stream(s), a.shape(), a.dtype(), a);
}

array linalg::cholesky(const array& a, bool upper, StreamOrDevice s) {
  check_real_floating(a.dtype(), "cholesky");
  check_square(a, "cholesky");
  return make_node(Op(kKernelClass<ops::Cholesky>, ops::Cholesky{upper}), to_stream(s), a.shape(),
                   a.dtype(), a);
}

array linalg::solve(const array& a, const array& b, StreamOrDevice s) {
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  check_real_floating(dtype, "solve");
  check_square(a, "solve");
  bool is_vector = b.ndim() == 1 || b.ndim() == a.ndim() - 1;
  array columns = is_vector ? expand_dims(b, -1, s) : b;
  check(columns.shape(-2) == a.shape(-1), "solve", "shapes {} and {} do not fit.", a.shape(),
        b.shape());
  Shape batch = broadcast_shapes(leading(a), leading(columns));
  array x = with_leading(astype(a, dtype, s), batch, s);
  array y = with_leading(astype(columns, dtype, s), batch, s);
  Shape shape = y.shape();
  array solved =
      make_node(Op(kKernelClass<ops::Solve>), to_stream(s), std::move(shape), dtype, x, y);
  return is_vector ? squeeze(solved, -1, s) : solved;
}

}  // namespace tarn
