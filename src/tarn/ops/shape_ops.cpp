#include "tarn/ops/shape_ops.h"

#include <algorithm>

#include "tarn/base/error.h"
#include "tarn/graph/host_context.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/shape.h"
#include "tarn/ops/graph_ops.h"

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
const OpClass kReinterpretClass{
    .info = kViewInfo, .family = OpFamily::host, .run = run_reinterpret};

// The same, where elements become wider or narrower: the input is row-major.
void run_resize_elements(const void*, HostContext& context) {
  const array& input = context.inputs()[0];
  const ArrayData& data = input.node().output(input.index()).data;
  ArrayData resized = share(data, input.dtype(), row_major(context.output(0).shape));
  context.result(0) = std::move(resized);
}
const OpClass kResizeElementsClass{
    .info = kViewInfo, .family = OpFamily::host, .run = run_resize_elements};

}  // namespace

array reshape(const array& a, Shape shape, StreamOrDevice s) {
  if (shape == a.shape()) return a;
  infer_dimension(shape, int64_t(a.size()), "reshape");
  check(size_of_shape(shape) == int64_t(a.size()), "reshape",
        "cannot show an array of shape {} as {}.", a.shape(), shape);
  return shape_node(ops::Reshape{shape}, a, shape, s);
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

array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s) {
  if (a.shape() == shape) return a;
  check(std::ranges::all_of(shape, [](ShapeElem dim) { return dim >= 0; }), "broadcast_to",
        "negative dimensions not allowed, got {}.", shape);
  check(broadcast_shapes(a.shape(), shape) == shape, "broadcast_to",
        "cannot stretch shape {} to {}.", a.shape(), shape);
  size_of_shape(shape);  // throws if it cannot be counted
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

array diagonal(const array& a, int offset, int axis1, int axis2, StreamOrDevice s) {
  int ndim = int(a.ndim());
  check(ndim >= 2, "diagonal", "wants at least two axes, got shape {}.", a.shape());
  int first = normalize_axis<std::out_of_range>(axis1, ndim, "diagonal");
  int second = normalize_axis<std::out_of_range>(axis2, ndim, "diagonal");
  check(first != second, "diagonal", "wants two different axes, got {} and {}.", axis1, axis2);
  ops::Diagonal op{offset, first, second};
  Shape shape = op.layout(row_major(a.shape()))->shape;
  return shape_node(op, a, std::move(shape), s);
}

array as_strided(array a, Shape shape, Strides strides, size_t offset, StreamOrDevice s) {
  check(shape.size() == strides.size(), "as_strided", "{} strides for shape {}.", strides.size(),
        shape);
  for (ShapeElem dim : shape) check(dim >= 0, "as_strided", "negative dimension in {}.", shape);
  if (size_of_shape(shape) == 0) return zeros(shape, a.dtype(), s);
  const auto [lowest, highest] = reach(shape, strides);
  check(offset + lowest >= 0 && offset + highest < __int128{a.size()}, "as_strided",
        "shape {} with strides {} from element {} on leaves an array of {} elements.", shape,
        strides, offset, a.size());
  return shape_node(ops::AsStrided{{shape, std::move(strides), int64_t(offset)}}, a, shape, s);
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
