#include "tarn/ops/functions/diagonals.h"

#include <algorithm>
#include <cstdlib>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/rearrange.h"
#include "tarn/ops/functions/reduce.h"
#include "tarn/ops/functions/shape.h"

namespace tarn {

namespace {

// Compares two numbers for each place of an (n, m) matrix, for the row and for the column, whose
// difference is column - row - k.
template <class Compare>
array compare_places(int n, int m, int k, StreamOrDevice s, Compare compare) {
  k = std::clamp(k, -n, m);  // the diagonals farther out are as empty, and would not fit into int
  int row = std::min(k, 0), column = std::min(-k, 0);
  return compare(expand_dims(arange(row, row + n, s), 1, s), arange(column, column + m, s));
}

array is_in_lower_triangle(int n, int m, int k, StreamOrDevice s) {
  return compare_places(n, m, k, s, [&](const array& row, const array& column) {
    return greater_equal(row, column, s);
  });
}

array place_on_diagonal(const array& values, int k, StreamOrDevice s) {
  int shift = safe_cast(std::abs(int64_t{k}), "diag");
  int n = safe_cast(int64_t{values.shape(0)} + shift, "diag");
  // The element of a place follows from its row above the main diagonal, from its column below.
  array padded = pad(values, std::pair(0, shift), array(0), "constant", s);
  array on_diagonal = compare_places(
      n, n, k, s, [&](const array& row, const array& column) { return equal(row, column, s); });
  return where(on_diagonal, expand_dims(padded, k >= 0 ? 1 : 0, s), array(0, values.dtype()), s);
}

void check_axes_of_trace(const array& a, int axis1, int axis2) {
  check(a.ndim() >= 2, "trace", "wants at least two axes, got shape {}.", a.shape());
  normalize_axes<std::out_of_range>({axis1, axis2}, int(a.ndim()), "trace");
}

}  // namespace

array diag(const array& a, int k, StreamOrDevice s) {
  check(a.ndim() == 1 || a.ndim() == 2, "diag", "wants a vector or a matrix, got shape {}.",
        a.shape());
  return a.ndim() == 2 ? diagonal(a, k, 0, 1, s) : place_on_diagonal(a, k, s);
}

array trace(const array& a, int offset, int axis1, int axis2, Dtype dtype, StreamOrDevice s) {
  check_axes_of_trace(a, axis1, axis2);
  array elements = astype(diagonal(a, offset, axis1, axis2, s), dtype, s);
  return astype(sum(elements, -1, false, s), dtype, s);
}
array trace(const array& a, int offset, int axis1, int axis2, StreamOrDevice s) {
  check_axes_of_trace(a, axis1, axis2);
  return sum(diagonal(a, offset, axis1, axis2, s), -1, false, s);
}
array trace(const array& a, StreamOrDevice s) { return trace(a, 0, 0, 1, s); }

array tri(int n, int m, int k, Dtype type, StreamOrDevice s) {
  check(n >= 0 && m >= 0, "tri", "negative dimensions not allowed, got ({},{}).", n, m);
  return astype(is_in_lower_triangle(n, m, k, s), type, s);
}
array tri(int n, Dtype type, StreamOrDevice s) { return tri(n, n, 0, type, s); }

array tril(array x, int k, StreamOrDevice s) {
  check(x.ndim() >= 2, "tril", "wants a matrix, got shape {}.", x.shape());
  return where(is_in_lower_triangle(x.shape(-2), x.shape(-1), k, s), x, array(0, x.dtype()), s);
}

array triu(array x, int k, StreamOrDevice s) {
  check(x.ndim() >= 2, "triu", "wants a matrix, got shape {}.", x.shape());
  array above = compare_places(
      x.shape(-2), x.shape(-1), k, s,
      [&](const array& row, const array& column) { return less_equal(row, column, s); });
  return where(above, x, array(0, x.dtype()), s);
}

}  // namespace tarn
