// What is composed of matrix products and of products of elements.
#include <algorithm>
#include <numeric>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

std::vector<int> counted_from_front(std::vector<int> axes, int ndim) {
  normalize_axes(axes, ndim, "tensordot");
  for (int& axis : axes) axis = normalize_axis(axis, ndim, "tensordot");
  return axes;
}

// The axes that are not among `axes`.
std::vector<int> other_axes(const std::vector<int>& axes, int ndim) {
  std::vector<int> others;
  for (int axis = 0; axis < ndim; ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) others.push_back(axis);
  }
  return others;
}

Shape dims_of(const array& a, const std::vector<int>& axes) {
  Shape dims;
  for (int axis : axes) dims.push_back(a.shape(axis));
  return dims;
}

// `rows` joined and `columns` joined.
array as_matrix(const array& a, std::vector<int> rows, const std::vector<int>& columns,
                StreamOrDevice s) {
  const ShapeElem n_rows = safe_cast(size_of_shape(dims_of(a, rows)), "tensordot");
  const ShapeElem n_columns = safe_cast(size_of_shape(dims_of(a, columns)), "tensordot");
  rows.insert(rows.end(), columns.begin(), columns.end());
  return reshape(transpose(a, std::move(rows), s), {n_rows, n_columns}, s);
}

// The matrices with each block multiplied by its element of the mask.
array masked(const array& a, const std::optional<array>& mask, int block_size, StreamOrDevice s) {
  if (!mask) return a;
  const auto n_blocks = [&](int axis) { return (a.shape(axis) + block_size - 1) / block_size; };
  check(mask->ndim() >= 2 && mask->shape(-2) == n_blocks(-2) && mask->shape(-1) == n_blocks(-1),
        "block_masked_mm", "a mask of shape {} does not fit blocks of {} of shape {}.",
        mask->shape(), block_size, a.shape());
  array elements = repeat(repeat(*mask, block_size, -1, s), block_size, -2, s);
  Shape start(elements.ndim(), 0), stop = elements.shape();
  stop[elements.ndim() - 2] = a.shape(-2);
  stop[elements.ndim() - 1] = a.shape(-1);
  elements = slice(elements, std::move(start), std::move(stop), s);
  if (mask->dtype() == bool_) return where(elements, a, array(0.0, a.dtype()), s);
  return multiply(a, astype(elements, a.dtype(), s), s);
}

array scaled(const array& a, float factor, StreamOrDevice s) {
  return factor == 1 ? a : multiply(a, array(factor, a.dtype()), s);
}

}  // namespace

array addmm(array c, array a, array b, const float& alpha, const float& beta, StreamOrDevice s) {
  Dtype dtype = result_type({c, a, b});
  check(issubdtype(dtype, inexact), "addmm",
        "is defined for floating and complex dtypes, got {}, {} and {}.", c.dtype(), a.dtype(),
        b.dtype());
  array product = matmul(astype(a, dtype, s), astype(b, dtype, s), s);
  array offset = broadcast_to(astype(c, dtype, s), product.shape(), s);
  return add(scaled(product, alpha, s), scaled(offset, beta, s), s);
}

array tensordot(const array& a, const array& b, const int axis, StreamOrDevice s) {
  int ndim_a = int(a.ndim()), ndim_b = int(b.ndim());
  check(axis >= 0 && axis <= std::min(ndim_a, ndim_b), "tensordot",
        "cannot sum over {} axes of shapes {} and {}.", axis, a.shape(), b.shape());
  std::vector<int> axes_a(axis), axes_b(axis);
  std::iota(axes_a.begin(), axes_a.end(), ndim_a - axis);
  std::iota(axes_b.begin(), axes_b.end(), 0);
  return tensordot(a, b, axes_a, axes_b, s);
}

array tensordot(const array& a, const array& b, const std::vector<int>& axes_a,
                const std::vector<int>& axes_b, StreamOrDevice s) {
  check(axes_a.size() == axes_b.size(), "tensordot", "{} axes of one array and {} of the other.",
        axes_a.size(), axes_b.size());
  std::vector<int> summed_a = counted_from_front(axes_a, int(a.ndim()));
  std::vector<int> summed_b = counted_from_front(axes_b, int(b.ndim()));
  check(dims_of(a, summed_a) == dims_of(b, summed_b), "tensordot",
        "the axes of shapes {} and {} do not fit.", a.shape(), b.shape());
  std::vector<int> free_a = other_axes(summed_a, int(a.ndim()));
  std::vector<int> free_b = other_axes(summed_b, int(b.ndim()));
  array product = matmul(as_matrix(a, free_a, summed_a, s), as_matrix(b, summed_b, free_b, s), s);
  Shape shape = dims_of(a, free_a), rest = dims_of(b, free_b);
  shape.insert(shape.end(), rest.begin(), rest.end());
  return reshape(product, std::move(shape), s);
}

array inner(const array& a, const array& b, StreamOrDevice s) {
  if (a.ndim() == 0 || b.ndim() == 0) return multiply(a, b, s);
  check(a.shape(-1) == b.shape(-1), "inner", "the last axes of shapes {} and {} differ.", a.shape(),
        b.shape());
  return tensordot(a, b, {-1}, {-1}, s);
}

array vecdot(const array& a, const array& b, int axis, StreamOrDevice s) {
  int along_a = normalize_axis(axis, int(a.ndim()), "vecdot");
  int along_b = normalize_axis(axis, int(b.ndim()), "vecdot");
  check(a.shape(along_a) == b.shape(along_b), "vecdot", "axis {} differs in shapes {} and {}.",
        axis, a.shape(), b.shape());
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  array x = moveaxis(astype(a, dtype, s), along_a, -1, s);
  array y = moveaxis(astype(b, dtype, s), along_b, -1, s);
  if (!issubdtype(dtype, inexact)) return sum(multiply(x, y, s), -1, false, s);
  if (dtype == complex64) x = conjugate(x, s);
  array products = matmul(expand_dims(x, -2, s), expand_dims(y, -1, s), s);
  return squeeze(products, {-2, -1}, s);
}

array outer(const array& a, const array& b, StreamOrDevice s) {
  return multiply(expand_dims(flatten(a, s), 1, s), flatten(b, s), s);
}

array kron(const array& a, const array& b, StreamOrDevice s) {
  const size_t ndim = std::max(a.ndim(), b.ndim());
  // Axes of `a` and of `b` in turn, so that neighbours join.
  Shape blocks(2 * ndim, 1), elements(2 * ndim, 1), joined(ndim, 1);
  for (size_t i = 0; i < a.ndim(); ++i) blocks[2 * (ndim - a.ndim() + i)] = a.shape(int(i));
  for (size_t i = 0; i < b.ndim(); ++i) elements[2 * (ndim - b.ndim() + i) + 1] = b.shape(int(i));
  for (size_t i = 0; i < ndim; ++i) {
    joined[i] = safe_cast(int64_t{blocks[2 * i]} * elements[2 * i + 1], "kron");
  }
  array products =
      multiply(reshape(a, std::move(blocks), s), reshape(b, std::move(elements), s), s);
  return reshape(products, std::move(joined), s);
}

array block_masked_mm(array a, array b, int block_size, std::optional<array> mask_out,
                      std::optional<array> mask_lhs, std::optional<array> mask_rhs,
                      StreamOrDevice s) {
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  check(issubdtype(dtype, floating), "block_masked_mm",
        "is defined for floating dtypes, got {} and {}.", a.dtype(), b.dtype());
  check(block_size == 32 || block_size == 64, "block_masked_mm",
        "the size of blocks must be 32 or 64, got {}.", block_size);
  check(a.ndim() >= 2 && b.ndim() >= 2, "block_masked_mm", "wants matrices, got shapes {} and {}.",
        a.shape(), b.shape());
  array left = masked(astype(a, dtype, s), mask_lhs, block_size, s);
  array right = masked(astype(b, dtype, s), mask_rhs, block_size, s);
  return masked(matmul(left, right, s), mask_out, block_size, s);
}

}  // namespace tarn
