#include "tarn/ops/shape_ops.h"

#include <algorithm>
#include <numeric>

#include "tarn/base/error.h"
#include "tarn/graph/host_context.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

template <class T>
const OpClass kShapeClass{
    .info = T::info, .family = OpFamily::view, .layout = [](const void* op, const Layout& input) {
      return std::optional<Layout>(static_cast<const T*>(op)->layout(input));
    }};

template <class T>
array shape_node(T op, const array& a, Shape shape, StreamOrDevice s) {
  return make_node(Op(kShapeClass<T>, std::move(op)), to_stream(s), std::move(shape), a.dtype(), a);
}

// Forwards the bytes of the first input under another dtype of the same size.
void run_reinterpret(const void*, HostContext& context) {
  const array& input = context.inputs()[0];
  context.result(0) = input.node().output(input.index()).data;
}
const OpClass kReinterpretClass{.info = {"view", "a, dtype", "The same bytes as another dtype."},
                                .family = OpFamily::host,
                                .run = run_reinterpret};

// The same, where elements become wider or narrower: the input is row-major.
void run_resize_elements(const void*, HostContext& context) {
  const array& input = context.inputs()[0];
  const ArrayData& data = input.node().output(input.index()).data;
  ArrayData resized = share(data, input.dtype(), row_major(context.output(0).shape));
  context.result(0) = std::move(resized);
}
const OpClass kResizeElementsClass{.info = {"view", "a, dtype", "The same bytes as another dtype."},
                                   .family = OpFamily::host,
                                   .run = run_resize_elements};

Shape shape_with_ones(const array& a, const std::vector<int>& axes) {
  Shape shape;
  size_t next = 0;
  for (int i = 0; i < int(a.ndim() + axes.size()); ++i) {
    bool is_new = std::binary_search(axes.begin(), axes.end(), i);
    shape.push_back(is_new ? 1 : a.shape()[next++]);
  }
  return shape;
}

}  // namespace

template <class Exception>
std::vector<int> normalize_axes(std::vector<int> axes, int ndim, const char* op) {
  for (int& axis : axes) {
    check<Exception>(axis >= -ndim && axis < ndim, op,
                     "axis {} is out of range for an array with {} dimensions.", axis, ndim);
    if (axis < 0) axis += ndim;
  }
  std::sort(axes.begin(), axes.end());
  auto twice = std::adjacent_find(axes.begin(), axes.end());
  if (twice != axes.end()) check(false, op, "axis {} is named twice.", *twice);
  return axes;
}
template std::vector<int> normalize_axes<std::invalid_argument>(std::vector<int>, int, const char*);
template std::vector<int> normalize_axes<std::out_of_range>(std::vector<int>, int, const char*);

std::vector<int> all_axes(int ndim) {
  std::vector<int> axes(ndim);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

array reshape(const array& a, Shape shape, StreamOrDevice s) {
  if (shape == a.shape()) return a;
  auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) {
    *unknown = 1;
    int64_t known = size_of_shape(shape);
    check(std::count(shape.begin(), shape.end(), -1) == 0, "reshape",
          "can infer one dimension only, got {}.", shape);
    check(known > 0 && int64_t(a.size()) % known == 0, "reshape",
          "cannot infer the dimension of {} for {} elements.", shape, a.size());
    *unknown = safe_cast(int64_t(a.size()) / known, "reshape");
  }
  for (ShapeElem dim : shape) check(dim >= 0, "reshape", "negative dimension in {}.", shape);
  check(size_of_shape(shape) == int64_t(a.size()), "reshape",
        "cannot show an array of shape {} as {}.", a.shape(), shape);
  return shape_node(ops::Reshape{shape}, a, shape, s);
}

array flatten(const array& a, int start_axis, int end_axis, StreamOrDevice s) {
  int ndim = int(a.ndim());
  if (ndim == 0) return reshape(a, {1}, s);
  int first = std::max(start_axis < 0 ? start_axis + ndim : start_axis, 0);
  int last = std::min(end_axis < 0 ? end_axis + ndim : end_axis, ndim - 1);
  check(first < ndim && last >= 0 && first <= last, "flatten",
        "cannot join axes {} to {} of an array of shape {}.", start_axis, end_axis, a.shape());
  const Shape& old = a.shape();
  Shape joined(old.begin() + first, old.begin() + last + 1);
  Shape shape(old.begin(), old.begin() + first);
  shape.push_back(safe_cast(size_of_shape(joined), "flatten"));
  shape.insert(shape.end(), old.begin() + last + 1, old.end());
  return reshape(a, std::move(shape), s);
}
array flatten(const array& a, StreamOrDevice s) { return flatten(a, 0, -1, s); }

array squeeze(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  std::vector<int> removed = normalize_axes(axes, int(a.ndim()), "squeeze");
  Shape shape;
  for (int i = 0; i < int(a.ndim()); ++i) {
    bool is_removed = std::binary_search(removed.begin(), removed.end(), i);
    check(!is_removed || a.shape(i) == 1, "squeeze", "axis {} of shape {} is not of size one.", i,
          a.shape());
    if (!is_removed) shape.push_back(a.shape(i));
  }
  return reshape(a, std::move(shape), s);
}
array squeeze(const array& a, int axis, StreamOrDevice s) {
  return squeeze(a, std::vector<int>{axis}, s);
}
array squeeze(const array& a, StreamOrDevice s) {
  std::vector<int> ones;
  for (int i = 0; i < int(a.ndim()); ++i) {
    if (a.shape(i) == 1) ones.push_back(i);
  }
  return squeeze(a, ones, s);
}

array expand_dims(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  return reshape(
      a, shape_with_ones(a, normalize_axes(axes, int(a.ndim() + axes.size()), "expand_dims")), s);
}
array expand_dims(const array& a, int axis, StreamOrDevice s) {
  return expand_dims(a, std::vector<int>{axis}, s);
}

array transpose(const array& a, std::vector<int> axes, StreamOrDevice s) {
  int ndim = int(a.ndim());
  check(int(axes.size()) == ndim, "transpose", "{} axes for an array of shape {}.", axes.size(),
        a.shape());
  normalize_axes(axes, ndim, "transpose");
  Shape shape(ndim);
  for (int i = 0; i < ndim; ++i) {
    if (axes[i] < 0) axes[i] += ndim;
    shape[i] = a.shape(axes[i]);
  }
  if (std::is_sorted(axes.begin(), axes.end())) return a;
  return shape_node(ops::Transpose{std::move(axes)}, a, std::move(shape), s);
}
array transpose(const array& a, StreamOrDevice s) {
  std::vector<int> axes = all_axes(int(a.ndim()));
  std::reverse(axes.begin(), axes.end());
  return transpose(a, std::move(axes), s);
}

array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s) {
  int ndim = int(a.ndim());
  for (int axis : {axis1, axis2}) {
    check<std::out_of_range>(axis >= -ndim && axis < ndim, "swapaxes",
                             "axis {} is out of range for shape {}.", axis, a.shape());
  }
  std::vector<int> axes = all_axes(ndim);
  std::swap(axes[axis1 < 0 ? axis1 + ndim : axis1], axes[axis2 < 0 ? axis2 + ndim : axis2]);
  return transpose(a, std::move(axes), s);
}

array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s) {
  if (a.shape() == shape) return a;
  check(broadcast_shapes(a.shape(), shape) == shape, "broadcast_to",
        "cannot stretch shape {} to {}.", a.shape(), shape);
  return shape_node(ops::BroadcastTo{shape}, a, shape, s);
}

array slice(const array& a, Shape start, Shape stop, Shape strides, StreamOrDevice s) {
  size_t ndim = a.ndim();
  check(start.size() == ndim && stop.size() == ndim && strides.size() == ndim, "slice",
        "wants a start, a stop and a stride for each axis of shape {}, got {}, {} and {}.",
        a.shape(), start, stop, strides);
  check(std::find(strides.begin(), strides.end(), 0) == strides.end(), "slice",
        "a stride of 0 in {}.", strides);
  ResolvedSlice bounds = resolve_slice(a.shape(), start, stop, strides);
  if (bounds.shape == a.shape() &&
      std::all_of(strides.begin(), strides.end(), [](int n) { return n > 0; })) {
    return a;
  }
  Shape shape = bounds.shape;
  return shape_node(ops::Slice{std::move(bounds)}, a, std::move(shape), s);
}
array slice(const array& a, Shape start, Shape stop, StreamOrDevice s) {
  Shape ones(a.ndim(), 1);
  return slice(a, std::move(start), std::move(stop), std::move(ones), s);
}

array contiguous(const array& a, bool allow_col_major, StreamOrDevice s) {
  return shape_node(ops::Contiguous{allow_col_major}, a, a.shape(), s);
}

array view(const array& a, const Dtype& dtype, StreamOrDevice s) {
  if (a.dtype() == dtype) return a;
  Stream stream = to_stream(s);
  if (a.dtype().size() == dtype.size()) {
    return make_node(Op(kReinterpretClass), stream, a.shape(), dtype, a);
  }
  check(a.ndim() > 0, "view", "a scalar of {} has no axis to show it as {}.", a.dtype(), dtype);
  Shape shape = a.shape();
  int64_t nbytes = int64_t(shape.back()) * a.dtype().size();
  check(nbytes % dtype.size() == 0, "view",
        "the last axis of shape {} in {} does not divide into {}.", shape, a.dtype(), dtype);
  shape.back() = safe_cast(nbytes / dtype.size(), "view");
  return make_node(Op(kResizeElementsClass), stream, std::move(shape), dtype,
                   contiguous(a, false, s));
}

}  // namespace tarn
