#include "tarn/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

Shape reduced_shape(const Shape& shape, const std::vector<int>& axes, bool keepdims) {
  Shape reduced;
  for (int i = 0; i < int(shape.size()); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i)) {
      reduced.push_back(shape[i]);
    } else if (keepdims) {
      reduced.push_back(1);
    }
  }
  return reduced;
}

int64_t count_along(const array& a, const std::vector<int>& axes) {
  int64_t count = 1;
  for (int axis : axes) count *= a.shape(axis);
  return count;
}

array reduce_node(ReduceOp op, const array& a, std::vector<int> axes, bool keepdims, Dtype dtype,
                  StreamOrDevice s) {
  Shape shape = reduced_shape(a.shape(), axes, keepdims);
  return make_node(Op(kKernelClass<ops::Reduce>, ops::Reduce{op, std::move(axes)}), to_stream(s),
                   std::move(shape), dtype, a);
}

// `axes` are normalized.
array reduce(ReduceOp op, const array& a, std::vector<int> axes, bool keepdims, StreamOrDevice s) {
  const char* name = kReduceInfo[int(op)].name;
  bool is_logical = op == ReduceOp::all || op == ReduceOp::any;
  if (axes.empty()) return is_logical ? astype(a, bool_, s) : a;
  if (op == ReduceOp::max || op == ReduceOp::min) {
    check(count_along(a, axes) > 0, name, "of no elements is not defined, shape {}.", a.shape());
  }
  return reduce_node(op, a, std::move(axes), keepdims, reduce_result_dtype(op, a.dtype()), s);
}

array arg_reduce(bool is_max, const array& a, int axis, bool keepdims, StreamOrDevice s) {
  const char* name = is_max ? "argmax" : "argmin";
  std::vector<int> axes = normalize_axes<std::out_of_range>({axis}, int(a.ndim()), name);
  check(a.shape(axes[0]) > 0, name, "of no elements is not defined, shape {}.", a.shape());
  Shape shape = reduced_shape(a.shape(), axes, keepdims);
  return make_node(Op(kKernelClass<ops::ArgReduce>, ops::ArgReduce{is_max, axes[0]}), to_stream(s),
                   std::move(shape), uint32, a);
}

array arg_reduce_all(bool is_max, const array& a, bool keepdims, StreamOrDevice s) {
  array result = arg_reduce(is_max, flatten(a, s), 0, false, s);
  return keepdims ? reshape(result, Shape(a.ndim(), 1), s) : result;
}

array as_inexact(const array& a, StreamOrDevice s) {
  return issubdtype(a.dtype(), inexact) ? a : astype(a, float32, s);
}

}  // namespace

#define TARN_DEFINE_REDUCTION(name, doc)                                                       \
  array name(const array& a, bool keepdims, StreamOrDevice s) {                                \
    return reduce(ReduceOp::name, a, all_axes(int(a.ndim())), keepdims, s);                    \
  }                                                                                            \
  array name(const array& a, const std::vector<int>& axes, bool keepdims, StreamOrDevice s) {  \
    return reduce(ReduceOp::name, a,                                                           \
                  normalize_axes<std::out_of_range>(axes, int(a.ndim()), #name), keepdims, s); \
  }
TARN_REDUCE_OPS(TARN_DEFINE_REDUCTION)
#undef TARN_DEFINE_REDUCTION

array mean(const array& a, const std::vector<int>& axes, bool keepdims, StreamOrDevice s) {
  std::vector<int> over = normalize_axes(axes, int(a.ndim()), "mean");
  double count = double(count_along(a, over));
  // The sum of 16-bit floats may be out of their range where the mean is not.
  Dtype summed = a.dtype() == float64 || a.dtype() == complex64 ? a.dtype() : float32;
  array total = reduce_node(ReduceOp::sum, a, std::move(over), keepdims, summed, s);
  array divided = divide(total, array(count, summed == float64 ? float64 : float32), s);
  return issubdtype(a.dtype(), inexact) ? astype(divided, a.dtype(), s) : divided;
}
array mean(const array& a, bool keepdims, StreamOrDevice s) {
  return mean(a, all_axes(int(a.ndim())), keepdims, s);
}

array var(const array& a, const std::vector<int>& axes, bool keepdims, int ddof, StreamOrDevice s) {
  if (a.dtype() == complex64) {
    return add(var(real(a, s), axes, keepdims, ddof, s), var(imag(a, s), axes, keepdims, ddof, s),
               s);
  }
  std::vector<int> over = normalize_axes(axes, int(a.ndim()), "var");
  Shape shape = reduced_shape(a.shape(), over, keepdims);
  Dtype dtype = issubdtype(a.dtype(), inexact) ? a.dtype() : float32;
  return make_node(Op(kKernelClass<ops::Var>, ops::Var{std::move(over), ddof}), to_stream(s),
                   std::move(shape), dtype, a);
}
array var(const array& a, bool keepdims, int ddof, StreamOrDevice s) {
  return var(a, all_axes(int(a.ndim())), keepdims, ddof, s);
}
array var(const array& a, int axis, bool keepdims, int ddof, StreamOrDevice s) {
  return var(a, std::vector<int>{axis}, keepdims, ddof, s);
}

array std(const array& a, const std::vector<int>& axes, bool keepdims, int ddof, StreamOrDevice s) {
  return sqrt(var(a, normalize_axes(axes, int(a.ndim()), "std"), keepdims, ddof, s), s);
}
array std(const array& a, bool keepdims, int ddof, StreamOrDevice s) {
  return std(a, all_axes(int(a.ndim())), keepdims, ddof, s);
}
array std(const array& a, int axis, bool keepdims, int ddof, StreamOrDevice s) {
  return std(a, std::vector<int>{axis}, keepdims, ddof, s);
}

array count_nonzero(const array& a, const std::vector<int>& axes, bool keepdims, StreamOrDevice s) {
  std::vector<int> over = normalize_axes<std::out_of_range>(axes, int(a.ndim()), "count_nonzero");
  array counted = sum(not_equal(a, array(0, a.dtype()), s), over, keepdims, s);
  return astype(counted, int32, s);  // without axes, nothing has been summed
}
array count_nonzero(const array& a, int axis, bool keepdims, StreamOrDevice s) {
  return count_nonzero(a, std::vector<int>{axis}, keepdims, s);
}
array count_nonzero(const array& a, bool keepdims, StreamOrDevice s) {
  return count_nonzero(a, all_axes(int(a.ndim())), keepdims, s);
}

array number_of_elements(const array& a, std::vector<int> axes, bool inverted, Dtype dtype,
                         StreamOrDevice) {
  int64_t count =
      count_along(a, normalize_axes(std::move(axes), int(a.ndim()), "number_of_elements"));
  return inverted ? array(1.0 / double(count), dtype) : array(count, dtype);
}

array diff(const array& a, int n, int axis, StreamOrDevice s) {
  check(n >= 0, "diff", "cannot take {} differences.", n);
  int along = normalize_axis(axis, int(a.ndim()), "diff");
  array differences = a;
  for (int i = 0; i < n && differences.shape(along) > 0; ++i) {
    Shape first(a.ndim(), 0), second(a.ndim(), 0);
    Shape end = differences.shape(), last = differences.shape();
    second[along] = 1;
    last[along] = end[along] - 1;
    differences =
        subtract(slice(differences, second, end, s), slice(differences, first, last, s), s);
  }
  return differences;
}

array logsumexp(const array& a, const std::vector<int>& axes, bool keepdims, StreamOrDevice s) {
  std::vector<int> over = normalize_axes(axes, int(a.ndim()), "logsumexp");
  array x = as_inexact(a, s);
  check(count_along(a, over) > 0, "logsumexp", "of no elements is not defined, shape {}.",
        a.shape());
  array largest = max(x, over, true, s);
  // An infinite maximum would give inf - inf; taking nothing off leaves log(0) or log(inf).
  array shift = where(isfinite(largest, s), largest, zeros_like(largest, s), s);
  // A sum of ones may be past the largest float16.
  const auto widened = [&](const array& y) {
    return y.itemsize() == 2 ? astype(y, float32, s) : y;
  };
  shift = widened(shift);
  array result = add(log(sum(exp(subtract(widened(x), shift, s), s), over, true, s), s), shift, s);
  result = astype(result, x.dtype(), s);
  return keepdims ? result : squeeze(result, over, s);
}
array logsumexp(const array& a, bool keepdims, StreamOrDevice s) {
  return logsumexp(a, all_axes(int(a.ndim())), keepdims, s);
}

array argmax(const array& a, int axis, bool keepdims, StreamOrDevice s) {
  return arg_reduce(true, a, axis, keepdims, s);
}
array argmax(const array& a, bool keepdims, StreamOrDevice s) {
  return arg_reduce_all(true, a, keepdims, s);
}
array argmin(const array& a, int axis, bool keepdims, StreamOrDevice s) {
  return arg_reduce(false, a, axis, keepdims, s);
}
array argmin(const array& a, bool keepdims, StreamOrDevice s) {
  return arg_reduce_all(false, a, keepdims, s);
}

array softmax(const array& a, const std::vector<int>& axes, bool, StreamOrDevice s) {
  std::vector<int> over = normalize_axes(axes, int(a.ndim()), "softmax");
  array x = as_inexact(a, s);
  check(x.dtype() != complex64, "softmax", "is not defined for complex arrays.");
  if (x.size() == 0) return x;
  return make_node(Op(kKernelClass<ops::Softmax>, ops::Softmax{std::move(over)}), to_stream(s),
                   x.shape(), x.dtype(), x);
}
array softmax(const array& a, bool precise, StreamOrDevice s) {
  return softmax(a, all_axes(int(a.ndim())), precise, s);
}
array softmax(const array& a, int axis, bool precise, StreamOrDevice s) {
  return softmax(a, std::vector<int>{axis}, precise, s);
}

array array_equal(const array& a, const array& b, bool equal_nan, StreamOrDevice s) {
  if (a.shape() != b.shape()) return array(false);
  Dtype promoted = promote_types(a.dtype(), b.dtype());
  array x = astype(a, promoted, s), y = astype(b, promoted, s);
  array same = equal(x, y, s);
  if (equal_nan && issubdtype(promoted, inexact)) {
    same = logical_or(same, logical_and(isnan(x, s), isnan(y, s), s), s);
  }
  return all(same, false, s);
}

}  // namespace tarn
