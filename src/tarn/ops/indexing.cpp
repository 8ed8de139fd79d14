#include "tarn/ops/indexing.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/index_arguments.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

array concatenate(std::vector<array> arrays, int axis, StreamOrDevice s) {
  check(!arrays.empty(), "concatenate", "wants at least one array.");
  const Shape first = arrays[0].shape();
  int joined = normalize_axis_index(axis, int(first.size()), "[concatenate] ");
  int64_t length = 0;
  Dtype dtype = result_type(arrays);
  for (array& a : arrays) {
    Shape aligned = a.shape();
    check(aligned.size() == first.size(), "concatenate", "shapes {} and {} do not fit.", first,
          a.shape());
    length += aligned[joined];
    aligned[joined] = first[joined];
    check(aligned == first, "concatenate", "shapes {} and {} do not fit along axis {}.", first,
          a.shape(), joined);
    a = astype(a, dtype, s);
  }
  if (arrays.size() == 1) return arrays[0];
  Shape shape = first;
  shape[joined] = safe_cast(length, "concatenate");
  return make_node(Op(kKernelClass<ops::Concatenate>, ops::Concatenate{joined}), to_stream(s),
                   std::move(shape), dtype, arrays);
}
array concatenate(std::vector<array> arrays, StreamOrDevice s) {
  for (array& a : arrays) a = flatten(a, s);
  return concatenate(std::move(arrays), 0, s);
}

array stack(const std::vector<array>& arrays, int axis, StreamOrDevice s) {
  check(!arrays.empty(), "stack", "wants at least one array.");
  int inserted = normalize_axis_index(axis, int(arrays[0].ndim()) + 1, "[stack] ");
  std::vector<array> expanded;
  for (const array& a : arrays) {
    check(a.shape() == arrays[0].shape(), "stack", "shapes {} and {} differ.", arrays[0].shape(),
          a.shape());
    expanded.push_back(expand_dims(a, inserted, s));
  }
  return concatenate(std::move(expanded), inserted, s);
}
array stack(const std::vector<array>& arrays, StreamOrDevice s) { return stack(arrays, 0, s); }

array take(const array& a, const array& indices, int axis, StreamOrDevice s) {
  check_indices(indices, "take");
  int along = normalize_axis_index(axis, int(a.ndim()), "[take] ");
  check(a.shape(along) > 0 || indices.size() == 0, "take",
        "cannot take from an empty axis, shape {}.", a.shape());
  Shape shape(a.shape().begin(), a.shape().begin() + along);
  shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
  shape.insert(shape.end(), a.shape().begin() + along + 1, a.shape().end());
  return make_node(Op(kKernelClass<ops::Take>, ops::Take{along}), to_stream(s), std::move(shape),
                   a.dtype(), a, indices);
}
array take(const array& a, int index, int axis, StreamOrDevice s) {
  int along = normalize_axis_index(axis, int(a.ndim()), "[take] ");
  int dim = a.shape(along);
  // One out of bounds fails as any index does: when it is evaluated.
  if (index < -dim || index >= dim) return take(a, array(index), axis, s);
  Shape start(a.ndim(), 0), stop = a.shape();
  start[along] = index < 0 ? index + dim : index;
  stop[along] = start[along] + 1;
  return squeeze(slice(a, std::move(start), std::move(stop), s), along, s);
}
array take(const array& a, const array& indices, StreamOrDevice s) {
  return take(flatten(a, s), indices, 0, s);
}
array take(const array& a, int index, StreamOrDevice s) { return take(flatten(a, s), index, 0, s); }

array take_along_axis(const array& a, const array& indices, int axis, StreamOrDevice s) {
  check_indices(indices, "take_along_axis");
  int along = normalize_axis_index(axis, int(a.ndim()), "[take_along_axis] ");
  check(indices.ndim() == a.ndim(), "take_along_axis",
        "indices of shape {} for an array of shape {}.", indices.shape(), a.shape());
  Shape shape = shape_but_for(a.shape(), indices.shape(), along, indices.shape(along));
  Shape stretched = shape;
  stretched[along] = a.shape(along);
  array positions = broadcast_to(indices, shape, s);
  return make_node(Op(kKernelClass<ops::TakeAlongAxis>, ops::TakeAlongAxis{along}), to_stream(s),
                   std::move(shape), a.dtype(), broadcast_to(a, stretched, s), positions);
}

array gather(const array& a, const std::vector<array>& indices, const std::vector<int>& axes,
             const Shape& slice_sizes, StreamOrDevice s) {
  auto [shape, arrays] = index_arrays(a, indices, axes, "gather", s);
  check(slice_sizes.size() == a.ndim(), "gather", "slice sizes {} for an array of shape {}.",
        slice_sizes, a.shape());
  // Nothing is taken where there are no indices, so then slices of an empty array may be larger.
  bool may_be_larger = a.size() == 0 && size_of_shape(shape) == 0;
  for (size_t i = 0; i < a.ndim(); ++i) {
    check(slice_sizes[i] >= 0 && (may_be_larger || slice_sizes[i] <= a.shape(int(i))), "gather",
          "slice sizes {} for an array of shape {}.", slice_sizes, a.shape());
  }
  shape.insert(shape.end(), slice_sizes.begin(), slice_sizes.end());
  arrays.insert(arrays.begin(), a);
  return make_node(Op(kKernelClass<ops::Gather>, ops::Gather{axes}), to_stream(s), std::move(shape),
                   a.dtype(), arrays);
}

array slice(const array& a, const array& start, std::vector<int> axes, Shape slice_size,
            StreamOrDevice s) {
  axes = dynamic_slice_axes(a, start, std::move(axes), "slice");
  check(slice_size.size() == a.ndim(), "slice", "slice size {} for an array of shape {}.",
        slice_size, a.shape());
  for (size_t i = 0; i < a.ndim(); ++i) {
    check(slice_size[i] >= 0 && slice_size[i] <= a.shape(int(i)), "slice",
          "slice size {} for an array of shape {}.", slice_size, a.shape());
  }
  return make_node(Op(kKernelClass<ops::DynamicSlice>, ops::DynamicSlice{std::move(axes)}),
                   to_stream(s), std::move(slice_size), a.dtype(), a, start);
}

}  // namespace tarn
