// Functions that join, cut, add, drop and move axes: composed of the view operations.
#include <algorithm>
#include <numeric>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/shape.h"

namespace tarn {

namespace {

Shape shape_with_ones(const array& a, const std::vector<int>& axes) {
  Shape shape;
  size_t next = 0;
  for (int i = 0; i < int(a.ndim() + axes.size()); ++i) {
    bool is_new = std::binary_search(axes.begin(), axes.end(), i);
    shape.push_back(is_new ? 1 : a.shape()[next++]);
  }
  return shape;
}

template <class F>
std::vector<array> map_arrays(const std::vector<array>& arrays, F f) {
  std::vector<array> results;
  results.reserve(arrays.size());
  for (const array& a : arrays) results.push_back(f(a));
  return results;
}

// The slice of one axis from start to stop.
array slice_axis(const array& a, int axis, int start, int stop, StreamOrDevice s) {
  Shape starts(a.ndim(), 0);
  Shape stops = a.shape();
  starts[axis] = start;
  stops[axis] = stop;
  return slice(a, std::move(starts), std::move(stops), s);
}

}  // namespace

template <class Exception>
int normalize_axis(int axis, int ndim, const char* op) {
  check<Exception>(axis >= -ndim && axis < ndim, op,
                   "axis {} is out of range for an array with {} dimensions.", axis, ndim);
  return axis < 0 ? axis + ndim : axis;
}
template int normalize_axis<std::invalid_argument>(int, int, const char*);
template int normalize_axis<std::out_of_range>(int, int, const char*);

template <class Exception>
std::vector<int> normalize_axes(std::vector<int> axes, int ndim, const char* op) {
  for (int& axis : axes) axis = normalize_axis<Exception>(axis, ndim, op);
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

void infer_dimension(Shape& shape, int64_t size, const char* op) {
  check(std::count(shape.begin(), shape.end(), -1) <= 1, op,
        "can infer one dimension only, got {}.", shape);
  auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) *unknown = 1;
  for (ShapeElem dim : shape) check(dim >= 0, op, "negative dimension in {}.", shape);
  if (unknown == shape.end()) return;
  int64_t known = size_of_shape(shape);
  check(known > 0 && size % known == 0, op, "cannot infer the dimension of {} for {} elements.",
        shape, size);
  *unknown = safe_cast(size / known, op);
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

array unflatten(const array& a, int axis, Shape shape, StreamOrDevice s) {
  check(!shape.empty(), "unflatten", "wants at least one dimension.");
  int parted = normalize_axis(axis, int(a.ndim()), "unflatten");
  infer_dimension(shape, a.shape(parted), "unflatten");
  check(size_of_shape(shape) == a.shape(parted), "unflatten",
        "cannot show axis {} of shape {} as {}.", parted, a.shape(), shape);
  const Shape& old = a.shape();
  shape.insert(shape.begin(), old.begin(), old.begin() + parted);
  shape.insert(shape.end(), old.begin() + parted + 1, old.end());
  return reshape(a, std::move(shape), s);
}

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

array atleast_1d(const array& a, StreamOrDevice s) {
  return a.ndim() == 0 ? reshape(a, {1}, s) : a;
}
array atleast_2d(const array& a, StreamOrDevice s) {
  return a.ndim() < 2 ? expand_dims(atleast_1d(a, s), 0, s) : a;
}
array atleast_3d(const array& a, StreamOrDevice s) {
  return a.ndim() < 3 ? expand_dims(atleast_2d(a, s), 2, s) : a;
}
std::vector<array> atleast_1d(const std::vector<array>& a, StreamOrDevice s) {
  return map_arrays(a, [&](const array& each) { return atleast_1d(each, s); });
}
std::vector<array> atleast_2d(const std::vector<array>& a, StreamOrDevice s) {
  return map_arrays(a, [&](const array& each) { return atleast_2d(each, s); });
}
std::vector<array> atleast_3d(const std::vector<array>& a, StreamOrDevice s) {
  return map_arrays(a, [&](const array& each) { return atleast_3d(each, s); });
}

array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s) {
  int ndim = int(a.ndim());
  std::vector<int> axes = all_axes(ndim);
  std::swap(axes[normalize_axis<std::out_of_range>(axis1, ndim, "swapaxes")],
            axes[normalize_axis<std::out_of_range>(axis2, ndim, "swapaxes")]);
  return transpose(a, std::move(axes), s);
}

array moveaxis(const array& a, int source, int destination, StreamOrDevice s) {
  int ndim = int(a.ndim());
  int from = normalize_axis<std::out_of_range>(source, ndim, "moveaxis");
  int to = normalize_axis<std::out_of_range>(destination, ndim, "moveaxis");
  std::vector<int> axes = all_axes(ndim);
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return transpose(a, std::move(axes), s);
}

array flip(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  Shape start(a.ndim(), 0);
  Shape stop = a.shape();
  Shape strides(a.ndim(), 1);
  for (int axis : normalize_axes(axes, int(a.ndim()), "flip")) {
    start[axis] = a.shape(axis) - 1;
    stop[axis] = -a.shape(axis) - 1;
    strides[axis] = -1;
  }
  return slice(a, std::move(start), std::move(stop), std::move(strides), s);
}
array flip(const array& a, int axis, StreamOrDevice s) {
  return flip(a, std::vector<int>{axis}, s);
}
array flip(const array& a, StreamOrDevice s) { return flip(a, all_axes(int(a.ndim())), s); }

std::vector<array> broadcast_arrays(const std::vector<array>& inputs, StreamOrDevice s) {
  Shape shape;
  for (const array& a : inputs) shape = broadcast_shapes(shape, a.shape());
  return map_arrays(inputs, [&](const array& a) { return broadcast_to(a, shape, s); });
}

std::vector<array> split(const array& a, const Shape& indices, int axis, StreamOrDevice s) {
  int cut = normalize_axis(axis, int(a.ndim()), "split");
  std::vector<array> pieces;
  int start = 0;
  for (int stop : indices) {
    pieces.push_back(slice_axis(a, cut, start, stop, s));
    start = stop;
  }
  pieces.push_back(slice_axis(a, cut, start, a.shape(cut), s));
  return pieces;
}
std::vector<array> split(const array& a, const Shape& indices, StreamOrDevice s) {
  return split(a, indices, 0, s);
}
std::vector<array> split(const array& a, int num_splits, int axis, StreamOrDevice s) {
  int cut = normalize_axis(axis, int(a.ndim()), "split");
  check(num_splits > 0, "split", "cannot split into {} pieces.", num_splits);
  check(a.shape(cut) % num_splits == 0, "split",
        "cannot split axis {} of shape {} into {} equal pieces.", cut, a.shape(), num_splits);
  int length = a.shape(cut) / num_splits;
  std::vector<array> pieces;
  for (int i = 0; i < num_splits; ++i) {
    pieces.push_back(slice_axis(a, cut, i * length, (i + 1) * length, s));
  }
  return pieces;
}
std::vector<array> split(const array& a, int num_splits, StreamOrDevice s) {
  return split(a, num_splits, 0, s);
}

std::vector<array> unstack(const array& a, int axis, StreamOrDevice s) {
  int cut = normalize_axis(axis, int(a.ndim()), "unstack");
  std::vector<array> slices;
  for (int i = 0; i < a.shape(cut); ++i) {
    slices.push_back(squeeze(slice_axis(a, cut, i, i + 1, s), cut, s));
  }
  return slices;
}
std::vector<array> unstack(const array& a, StreamOrDevice s) { return unstack(a, 0, s); }

}  // namespace tarn
