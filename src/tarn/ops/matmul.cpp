#include "tarn/ops/matmul.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

array with_batch(const array& matrices, Shape batch, StreamOrDevice s) {
  batch.push_back(matrices.shape(-2));
  batch.push_back(matrices.shape(-1));
  return broadcast_to(matrices, batch, s);
}

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
  Shape batch = broadcast_shapes(without_last(a.shape(), 2), without_last(b.shape(), 2));
  array x = with_batch(astype(a, dtype, stream), batch, stream);
  array y = with_batch(astype(b, dtype, stream), batch, stream);
  Shape shape = batch;
  shape.push_back(a.shape(-2));
  shape.push_back(b.shape(-1));
  return make_node(Op(kKernelClass<ops::Matmul>), stream, std::move(shape), dtype, x, y);
}

}  // namespace tarn
