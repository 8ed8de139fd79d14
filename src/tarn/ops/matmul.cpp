#include "tarn/ops/matmul.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/index_arguments.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

array with_batch(const array& matrices, Shape batch, StreamOrDevice s) {
  batch.push_back(matrices.shape(-2));
  batch.push_back(matrices.shape(-1));
  return broadcast_to(matrices, batch, s);
}

namespace {

// Of matrices that are to be multiplied.
Dtype product_dtype(const array& a, const array& b, const char* op) {
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  check(issubdtype(dtype, inexact), op,
        "is defined for floating and complex dtypes, got {} and {}.", a.dtype(), b.dtype());
  return dtype;
}

void check_inner_dimensions(const array& a, const array& b, const char* op) {
  check(a.ndim() >= 2 && b.ndim() >= 2 && a.shape(-1) == b.shape(-2), op,
        "inner dimensions of shapes {} and {} differ.", a.shape(), b.shape());
}

}  // namespace

array matmul(const array& a, const array& b, StreamOrDevice s) {
  check(a.ndim() > 0 && b.ndim() > 0, "matmul", "a scalar is no matrix: shapes {} and {}.",
        a.shape(), b.shape());
  Dtype dtype = product_dtype(a, b, "matmul");
  if (a.ndim() == 1) return squeeze(matmul(expand_dims(a, 0, s), b, s), b.ndim() == 1 ? -1 : -2, s);
  if (b.ndim() == 1) return squeeze(matmul(a, expand_dims(b, 1, s), s), -1, s);
  check_inner_dimensions(a, b, "matmul");

  Stream stream = to_stream(s);
  Shape batch = broadcast_shapes(without_last(a.shape(), 2), without_last(b.shape(), 2));
  array x = with_batch(astype(a, dtype, stream), batch, stream);
  array y = with_batch(astype(b, dtype, stream), batch, stream);
  Shape shape = batch;
  shape.push_back(a.shape(-2));
  shape.push_back(b.shape(-1));
  return make_node(Op(kKernelClass<ops::Matmul>), stream, std::move(shape), dtype, x, y);
}

array gather_mm(array a, array b, std::optional<array> lhs_indices,
                std::optional<array> rhs_indices, bool, StreamOrDevice s) {
  if (!lhs_indices && !rhs_indices) return matmul(a, b, s);
  Dtype dtype = product_dtype(a, b, "gather_mm");
  check_inner_dimensions(a, b, "gather_mm");
  array left = matrix_indices(lhs_indices, a, "gather_mm", s);
  array right = matrix_indices(rhs_indices, b, "gather_mm", s);
  Shape shape = broadcast_shapes(left.shape(), right.shape());
  left = broadcast_to(left, shape, s);
  right = broadcast_to(right, shape, s);
  shape.push_back(a.shape(-2));
  shape.push_back(b.shape(-1));
  return make_node(Op(kKernelClass<ops::GatherMatmul>), to_stream(s), std::move(shape), dtype,
                   astype(a, dtype, s), astype(b, dtype, s), left, right);
}

array segmented_mm(array a, array b, array segments, StreamOrDevice s) {
  Dtype dtype = product_dtype(a, b, "segmented_mm");
  check(a.ndim() == 2 && b.ndim() == 2, "segmented_mm",
        "wants matrices without a batch, got shapes {} and {}.", a.shape(), b.shape());
  check_inner_dimensions(a, b, "segmented_mm");
  check(issubdtype(segments.dtype(), integer) && segments.ndim() > 0 && segments.shape(-1) == 2,
        "segmented_mm", "wants pairs of integers as segments, got {} of shape {}.",
        segments.dtype(), segments.shape());
  Shape shape = without_last(segments.shape(), 1);
  shape.push_back(a.shape(-2));
  shape.push_back(b.shape(-1));
  return make_node(Op(kKernelClass<ops::SegmentedMatmul>), to_stream(s), std::move(shape), dtype,
                   astype(a, dtype, s), astype(b, dtype, s), astype(segments, int64, s));
}

}  // namespace tarn
