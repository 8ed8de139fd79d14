// Norms of vectors and matrices, composed of reductions and singular values.
#include <cmath>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

// What norms are computed in: squares of 16-bit floats would overflow.
array norm_operand(const array& a, StreamOrDevice s) {
  bool is_wide = a.dtype() == float32 || a.dtype() == float64 || a.dtype() == complex64;
  return is_wide ? a : astype(a, float32, s);
}

Dtype norm_dtype(Dtype dtype) { return issubdtype(dtype, floating) ? dtype : float32; }

// Counted from the front, in the order given.
std::vector<int> norm_axes(const std::vector<int>& axes, int ndim) {
  normalize_axes<std::out_of_range>(axes, ndim, "norm");
  std::vector<int> result = axes;
  for (int& axis : result) axis = normalize_axis(axis, ndim, "norm");
  return result;
}

array root_of_squares(const array& x, const std::vector<int>& axes, bool keepdims,
                      StreamOrDevice s) {
  array magnitudes = x.dtype() == complex64 ? abs(x, s) : x;
  return sqrt(sum(square(magnitudes, s), axes, keepdims, s), s);
}

array vector_norm(const array& x, double ord, const std::vector<int>& axes, bool keepdims,
                  StreamOrDevice s) {
  if (ord == 2) return root_of_squares(x, axes, keepdims, s);
  array magnitudes = abs(x, s);
  const Dtype dtype = magnitudes.dtype();
  if (ord == 0) {
    return sum(astype(not_equal(x, array(0.0, x.dtype()), s), dtype, s), axes, keepdims, s);
  }
  if (ord == 1) return sum(magnitudes, axes, keepdims, s);
  if (std::isinf(ord)) {
    return ord > 0 ? max(magnitudes, axes, keepdims, s) : min(magnitudes, axes, keepdims, s);
  }
  array powers = power(magnitudes, array(ord, dtype), s);
  return power(sum(powers, axes, keepdims, s), array(1 / ord, dtype), s);
}

// Of matrices in the axes rows, columns: their singular values along a last axis.
array singular_values(const array& x, int row_axis, int column_axis, StreamOrDevice s) {
  std::vector<int> order;
  for (int axis = 0; axis < int(x.ndim()); ++axis) {
    if (axis != row_axis && axis != column_axis) order.push_back(axis);
  }
  order.insert(order.end(), {row_axis, column_axis});
  return linalg::svd(transpose(x, std::move(order), s), false, s)[0];
}

// `reduced` has lost the axes.
array restore_axes(const array& reduced, const std::vector<int>& axes, bool keepdims,
                   StreamOrDevice s) {
  return keepdims ? expand_dims(reduced, axes, s) : reduced;
}

array matrix_norm(const array& x, double ord, const std::vector<int>& axes, bool keepdims,
                  StreamOrDevice s) {
  const int row_axis = axes[0], column_axis = axes[1];
  const double kind = std::fabs(ord);
  check(kind == 1 || kind == 2 || std::isinf(ord), "norm", "ord {} is none of matrices.", ord);
  const auto extreme = [&](const array& values, int axis, bool keep) {
    return ord > 0 ? max(values, axis, keep, s) : min(values, axis, keep, s);
  };
  if (kind == 2) {
    array values = singular_values(x, row_axis, column_axis, s);
    return restore_axes(extreme(values, -1, false), axes, keepdims, s);
  }
  array sums = sum(abs(x, s), kind == 1 ? row_axis : column_axis, true, s);
  array result = extreme(sums, kind == 1 ? column_axis : row_axis, true);
  return keepdims ? result : squeeze(result, axes, s);
}

array matrix_norm(const array& x, const std::string& ord, const std::vector<int>& axes,
                  bool keepdims, StreamOrDevice s) {
  if (ord == "f" || ord == "fro") return root_of_squares(x, axes, keepdims, s);
  check(ord == "nuc", "norm", "ord \"{}\" is none of matrices.", ord);
  array values = singular_values(x, axes[0], axes[1], s);
  return restore_axes(sum(values, -1, false, s), axes, keepdims, s);
}

}  // namespace

array linalg::norm(const array& a, const std::optional<std::vector<int>>& axis, bool keepdims,
                   StreamOrDevice s) {
  if (!axis) return norm(flatten(a, s), std::vector<int>{0}, keepdims, s);
  std::vector<int> axes = norm_axes(*axis, int(a.ndim()));
  check(axes.size() <= 2, "norm", "wants one axis or two, got {}.", axes.size());
  return astype(root_of_squares(norm_operand(a, s), axes, keepdims, s), norm_dtype(a.dtype()), s);
}

array linalg::norm(const array& a, const double ord, const std::optional<std::vector<int>>& axis,
                   bool keepdims, StreamOrDevice s) {
  std::vector<int> axes = norm_axes(axis.value_or(all_axes(int(a.ndim()))), int(a.ndim()));
  check(axes.size() == 1 || axes.size() == 2, "norm", "wants one axis or two, got {}.",
        axes.size());
  array x = norm_operand(a, s);
  array result = axes.size() == 1 ? vector_norm(x, ord, axes, keepdims, s)
                                  : matrix_norm(x, ord, axes, keepdims, s);
  return astype(result, norm_dtype(a.dtype()), s);
}

array linalg::norm(const array& a, const std::string& ord,
                   const std::optional<std::vector<int>>& axis, bool keepdims, StreamOrDevice s) {
  std::vector<int> axes = norm_axes(axis.value_or(all_axes(int(a.ndim()))), int(a.ndim()));
  check(axes.size() == 2, "norm", "ord \"{}\" is one of matrices: wants two axes, got {}.", ord,
        axes.size());
  return astype(matrix_norm(norm_operand(a, s), ord, axes, keepdims, s), norm_dtype(a.dtype()), s);
}

}  // namespace tarn
