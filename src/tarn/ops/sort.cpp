#include "tarn/ops/sort.h"

#include <algorithm>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

int normalize_axis(int axis, const array& a, const char* op) {
  return normalize_axis_index(axis, int(a.ndim()), std::string("[") + op + "] ");
}

// f, which works along the last axis, along another.
template <class F>
array along_axis(const array& a, int axis, StreamOrDevice s, F f) {
  const int last = int(a.ndim()) - 1;
  if (axis == last) return f(a);
  return contiguous(swapaxes(f(swapaxes(a, axis, last, s)), axis, last, s), false, s);
}

array last_axis_node(Op op, const array& a, Dtype dtype, StreamOrDevice s) {
  return make_node(std::move(op), to_stream(s), a.shape(), dtype, a);
}

void check_kth(const array& a, int kth, int axis, const char* op) {
  const int n = a.shape(normalize_axis(axis, a, op));
  check(-n <= kth && kth < n, op, "position {} is out of range for axis {} of shape {}.", kth, axis,
        a.shape());
}

array sorted_along(const array& a, int axis, StreamOrDevice s) {
  return along_axis(a, axis, s, [&](const array& x) {
    return last_axis_node(Op(kKernelClass<ops::Sort>), x, x.dtype(), s);
  });
}

// Elements number `i` of the last axis.
array pick_last(const array& a, int i, StreamOrDevice s) {
  Shape start(a.ndim(), 0);
  Shape stop = a.shape();
  start.back() = i;
  stop.back() = i + 1;
  return squeeze(slice(a, std::move(start), std::move(stop), s), -1, s);
}

// With `axes`, which are ascending, as one axis behind the others.
array join_last(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  std::vector<int> order;
  Shape shape;
  int64_t n = 1;
  for (int axis = 0; axis < int(a.ndim()); ++axis) {
    if (std::binary_search(axes.begin(), axes.end(), axis)) {
      n *= a.shape(axis);
    } else {
      order.push_back(axis);
      shape.push_back(a.shape(axis));
    }
  }
  order.insert(order.end(), axes.begin(), axes.end());
  shape.push_back(safe_cast(n, "median"));
  return reshape(transpose(a, std::move(order), s), std::move(shape), s);
}

}  // namespace

array sort(const array& a, int axis, StreamOrDevice s) {
  return sorted_along(a, normalize_axis(axis, a, "sort"), s);
}
array sort(const array& a, StreamOrDevice s) { return sort(flatten(a, s), 0, s); }

array argsort(const array& a, int axis, StreamOrDevice s) {
  return along_axis(a, normalize_axis(axis, a, "argsort"), s, [&](const array& x) {
    return last_axis_node(Op(kKernelClass<ops::ArgSort>), x, uint32, s);
  });
}
array argsort(const array& a, StreamOrDevice s) { return argsort(flatten(a, s), 0, s); }

// A vectorized sort leaves little to gain for what need not be sorted.
array partition(const array& a, int kth, int axis, StreamOrDevice s) {
  check_kth(a, kth, axis, "partition");
  return sort(a, axis, s);
}
array partition(const array& a, int kth, StreamOrDevice s) {
  return partition(flatten(a, s), kth, 0, s);
}
array argpartition(const array& a, int kth, int axis, StreamOrDevice s) {
  check_kth(a, kth, axis, "argpartition");
  return argsort(a, axis, s);
}
array argpartition(const array& a, int kth, StreamOrDevice s) {
  return argpartition(flatten(a, s), kth, 0, s);
}

array topk(const array& a, int k, int axis, StreamOrDevice s) {
  const int along = normalize_axis(axis, a, "topk");
  const int n = a.shape(along);
  check(k >= 0 && k <= n, "topk", "cannot take {} elements along axis {} of shape {}.", k, axis,
        a.shape());
  if (k == n) return a;
  return along_axis(a, along, s, [&](const array& x) {
    Shape shape = x.shape();
    shape.back() = k;
    if (x.dtype() == complex64) {
      Shape start(x.ndim(), 0);
      start.back() = n - k;
      return slice(sort(x, -1, s), std::move(start), x.shape(), s);
    }
    return make_node(Op(kKernelClass<ops::TopK>, ops::TopK{k}), to_stream(s), std::move(shape),
                     x.dtype(), x);
  });
}
array topk(const array& a, int k, StreamOrDevice s) { return topk(flatten(a, s), k, 0, s); }

array searchsorted(const array& sorted_sequence, const array& values, const std::string& side,
                   StreamOrDevice s) {
  check(sorted_sequence.ndim() == 1, "searchsorted", "wants a sorted vector, got shape {}.",
        sorted_sequence.shape());
  check(side == "left" || side == "right", "searchsorted",
        "side is \"left\" or \"right\", not \"{}\".", side);
  const Dtype dtype = promote_types(sorted_sequence.dtype(), values.dtype());
  return make_node(Op(kKernelClass<ops::SearchSorted>, ops::SearchSorted{side == "right"}),
                   to_stream(s), values.shape(), uint32, astype(sorted_sequence, dtype, s),
                   astype(values, dtype, s));
}

array median(const array& a, const std::vector<int>& axes, bool keepdims, StreamOrDevice s) {
  const std::vector<int> over = normalize_axes(axes, int(a.ndim()), "median");
  const array x = issubdtype(a.dtype(), inexact) ? a : astype(a, float32, s);
  if (over.empty()) return x;
  for (int axis : over) {
    check(a.shape(axis) > 0, "median", "of no elements is not defined, shape {}.", a.shape());
  }
  const array sorted = sort(join_last(x, over, s), -1, s);
  const int n = sorted.shape(-1);
  array middle = pick_last(sorted, n / 2, s);
  if (n % 2 == 0) {
    const array lower = pick_last(sorted, n / 2 - 1, s), half = array(0.5, x.dtype());
    const array twice = add(lower, middle, s);
    // Halves add up to no infinity; but the smallest number has none.
    middle = where(isfinite(twice, s), multiply(twice, half, s),
                   add(multiply(lower, half, s), multiply(middle, half, s), s), s);
  }
  const array largest = pick_last(sorted, n - 1, s);
  const array result = where(isnan(largest, s), largest, middle, s);
  return keepdims ? expand_dims(result, over, s) : result;
}
array median(const array& a, bool keepdims, StreamOrDevice s) {
  return median(a, all_axes(int(a.ndim())), keepdims, s);
}

}  // namespace tarn
