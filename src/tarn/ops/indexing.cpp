#include "tarn/ops/indexing.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
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
  check(issubdtype(indices.dtype(), integer) || indices.dtype() == bool_, "take",
        "indices must be integers, got {}.", indices.dtype());
  int along = normalize_axis_index(axis, int(a.ndim()), "[take] ");
  check(a.size() > 0 || indices.size() == 0, "take", "cannot take from an empty array of shape {}.",
        a.shape());
  Shape shape(a.shape().begin(), a.shape().begin() + along);
  shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
  shape.insert(shape.end(), a.shape().begin() + along + 1, a.shape().end());
  return make_node(Op(kKernelClass<ops::Take>, ops::Take{along}), to_stream(s), std::move(shape),
                   a.dtype(), a, indices.dtype() == bool_ ? astype(indices, uint8, s) : indices);
}
array take(const array& a, int index, int axis, StreamOrDevice s) {
  return take(a, array(index), axis, s);
}
array take(const array& a, const array& indices, StreamOrDevice s) {
  return take(flatten(a, s), indices, 0, s);
}
array take(const array& a, int index, StreamOrDevice s) { return take(a, array(index), s); }

}  // namespace tarn
