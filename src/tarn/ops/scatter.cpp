#include "tarn/ops/scatter.h"

#include <algorithm>
#include <utility>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/index_arguments.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

constexpr OpClass renamed(OpClass op_class, const char* name) {
  op_class.info.name = name;
  return op_class;
}

// By mode, so that a failure names the function that the user called.
const OpClass kScatterClasses[] = {
    renamed(kKernelClass<ops::Scatter>, kScatterNames[0]),
    renamed(kKernelClass<ops::Scatter>, kScatterNames[1]),
    renamed(kKernelClass<ops::Scatter>, kScatterNames[2]),
    renamed(kKernelClass<ops::Scatter>, kScatterNames[3]),
    renamed(kKernelClass<ops::Scatter>, kScatterNames[4]),
};
const OpClass kScatterAxisClasses[] = {
    renamed(kKernelClass<ops::ScatterAxis>, kScatterAxisNames[0]),
    renamed(kKernelClass<ops::ScatterAxis>, kScatterAxisNames[1]),
};

array as_updates(const array& updates, Dtype dtype, StreamOrDevice s) {
  return contiguous(astype(updates, dtype, s), false, s);
}

array scatter(ScatterMode mode, const array& a, const std::vector<array>& indices,
              const array& updates, const std::vector<int>& axes, StreamOrDevice s) {
  const OpClass& op_class = kScatterClasses[int(mode)];
  const char* name = op_class.info.name;
  auto [shape, arrays] = index_arrays(a, indices, axes, name, s);
  size_t index_ndim = shape.size();
  bool fits = updates.ndim() == index_ndim + a.ndim() &&
              std::equal(shape.begin(), shape.end(), updates.shape().begin());
  for (size_t i = 0; fits && i < a.ndim(); ++i) {
    fits = updates.shape()[index_ndim + i] <= a.shape()[i];
  }
  check(fits, name,
        "updates of shape {}: not that of the indices, {}, followed by one that fits into {}.",
        updates.shape(), shape, a.shape());
  arrays.insert(arrays.begin(), a);
  arrays.push_back(as_updates(updates, a.dtype(), s));
  return make_node(Op(op_class, ops::Scatter{mode, axes}), to_stream(s), a.shape(), a.dtype(),
                   arrays);
}

array scatter_axis(ScatterMode mode, const array& a, const array& indices, const array& values,
                   int axis, StreamOrDevice s) {
  const OpClass& op_class = kScatterAxisClasses[int(mode)];
  const char* name = op_class.info.name;
  int along = normalize_axis_index(axis, int(a.ndim()), std::string("[") + name + "] ");
  check_indices(indices, name);
  check(indices.ndim() == a.ndim(), name, "indices of shape {} for an array of shape {}.",
        indices.shape(), a.shape());
  if (a.size() == 0) return a;
  array updates = values;
  while (updates.ndim() > indices.ndim()) updates = squeeze(updates, 0, s);

  Shape shape = broadcast_shapes(indices.shape(), updates.shape());
  shape = shape_but_for(a.shape(), shape, along, shape[along]);
  Shape stretched = shape;
  stretched[along] = a.shape(along);
  return make_node(Op(op_class, ops::ScatterAxis{mode, along}), to_stream(s), stretched, a.dtype(),
                   broadcast_to(a, stretched, s), broadcast_to(indices, shape, s),
                   as_updates(broadcast_to(updates, shape, s), a.dtype(), s));
}

ResolvedSlice slice_bounds(const array& a, const Shape& start, const Shape& stop,
                           const Shape& strides, const char* op) {
  check(start.size() == a.ndim() && stop.size() == a.ndim() && strides.size() == a.ndim(), op,
        "wants a start, a stop and a stride for each axis of shape {}, got {}, {} and {}.",
        a.shape(), start, stop, strides);
  check(std::count(strides.begin(), strides.end(), 0) == 0, op, "a stride of 0 in {}.", strides);
  return resolve_slice(a.shape(), start, stop, strides);
}

// A slice replaced by what `combine` makes of it and the update.
template <class Combine>
array update_slice(const array& src, const array& update, Shape start, Shape stop, Shape strides,
                   StreamOrDevice s, const char* op, Combine combine) {
  Shape shape = slice_bounds(src, start, stop, strides, op).shape;
  array part = slice(src, start, stop, strides, s);
  array value = broadcast_to(astype(update, src.dtype(), s), shape, s);
  return slice_update(src, combine(part, value), std::move(start), std::move(stop),
                      std::move(strides), s);
}

}  // namespace

#define TARN_DEFINE_SCATTER(name, mode)                                               \
  array name(const array& a, const std::vector<array>& indices, const array& updates, \
             const std::vector<int>& axes, StreamOrDevice s) {                        \
    return scatter(ScatterMode::mode, a, indices, updates, axes, s);                  \
  }
TARN_DEFINE_SCATTER(scatter, assign)
TARN_DEFINE_SCATTER(scatter_add, add)
TARN_DEFINE_SCATTER(scatter_prod, prod)
TARN_DEFINE_SCATTER(scatter_max, max)
TARN_DEFINE_SCATTER(scatter_min, min)
#undef TARN_DEFINE_SCATTER

array put_along_axis(const array& a, const array& indices, const array& values, int axis,
                     StreamOrDevice s) {
  return scatter_axis(ScatterMode::assign, a, indices, values, axis, s);
}
array scatter_add_axis(const array& a, const array& indices, const array& values, int axis,
                       StreamOrDevice s) {
  return scatter_axis(ScatterMode::add, a, indices, values, axis, s);
}

array masked_scatter(const array& a, const array& mask, const array& src, StreamOrDevice s) {
  check(mask.dtype() == bool_, "masked_scatter", "the mask must be bool, got {}.", mask.dtype());
  bool is_prefix = mask.ndim() <= a.ndim() &&
                   std::equal(mask.shape().begin(), mask.shape().end(), a.shape().begin());
  check(is_prefix, "masked_scatter", "a mask of shape {} for an array of shape {}.", mask.shape(),
        a.shape());
  Shape part(a.shape().begin() + mask.ndim(), a.shape().end());
  check(src.ndim() <= part.size() + 1, "masked_scatter",
        "a source of shape {} for slices of shape {}.", src.shape(), part);
  array source = astype(src, a.dtype(), s);
  if (src.ndim() <= part.size()) {
    Shape stretched = mask.shape();
    stretched.resize(a.ndim(), 1);
    return where(reshape(mask, stretched, s), broadcast_to(source, a.shape(), s), a, s);
  }
  part.insert(part.begin(), src.shape(0));
  return make_node(Op(kKernelClass<ops::MaskedScatter>), to_stream(s), a.shape(), a.dtype(), a,
                   contiguous(mask, false, s), contiguous(broadcast_to(source, part, s), false, s));
}

array slice_update(const array& src, const array& update, Shape start, Shape stop, Shape strides,
                   StreamOrDevice s) {
  ResolvedSlice bounds = slice_bounds(src, start, stop, strides, "slice_update");
  array value = broadcast_to(astype(update, src.dtype(), s), bounds.shape, s);
  if (value.size() == 0) return src;
  bool is_whole = bounds.shape == src.shape() &&
                  std::all_of(strides.begin(), strides.end(), [](int n) { return n > 0; });
  if (is_whole) return value;
  return make_node(Op(kKernelClass<ops::SliceUpdate>, ops::SliceUpdate{std::move(bounds)}),
                   to_stream(s), src.shape(), src.dtype(), src, value);
}
array slice_update(const array& src, const array& update, Shape start, Shape stop,
                   StreamOrDevice s) {
  Shape ones(src.ndim(), 1);
  return slice_update(src, update, std::move(start), std::move(stop), std::move(ones), s);
}

array slice_update(const array& src, const array& update, const array& start, std::vector<int> axes,
                   StreamOrDevice s) {
  axes = dynamic_slice_axes(src, start, std::move(axes), "slice_update");
  check(update.ndim() <= src.ndim(), "slice_update", "an update of shape {} for shape {}.",
        update.shape(), src.shape());
  size_t n_missing = src.ndim() - update.ndim();
  Shape shape(src.shape().begin(), src.shape().begin() + n_missing);
  for (int axis : axes) {
    if (size_t(axis) < n_missing) shape[axis] = 1;
  }
  shape.insert(shape.end(), update.shape().begin(), update.shape().end());
  for (size_t i = 0; i < shape.size(); ++i) {
    check(shape[i] <= src.shape()[i], "slice_update", "an update of shape {} for shape {}.",
          update.shape(), src.shape());
  }
  return make_node(
      Op(kKernelClass<ops::DynamicSliceUpdate>, ops::DynamicSliceUpdate{std::move(axes)}),
      to_stream(s), src.shape(), src.dtype(), src,
      broadcast_to(astype(update, src.dtype(), s), shape, s), start);
}

#define TARN_DEFINE_SLICE_UPDATE(name, combine)                                                   \
  array name(const array& src, const array& update, Shape start, Shape stop, Shape strides,       \
             StreamOrDevice s) {                                                                  \
    return update_slice(src, update, std::move(start), std::move(stop), std::move(strides), s,    \
                        #name, [&](const array& x, const array& y) { return combine(x, y, s); }); \
  }
TARN_DEFINE_SLICE_UPDATE(slice_update_add, add)
TARN_DEFINE_SLICE_UPDATE(slice_update_prod, multiply)
TARN_DEFINE_SLICE_UPDATE(slice_update_max, maximum)
TARN_DEFINE_SLICE_UPDATE(slice_update_min, minimum)
#undef TARN_DEFINE_SLICE_UPDATE

}  // namespace tarn
