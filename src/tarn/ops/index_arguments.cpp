#include "tarn/ops/index_arguments.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/shape.h"

namespace tarn {

void check_indices(const array& indices, const char* op) {
  check(issubdtype(indices.dtype(), integer), op, "indices must be integers, got {}.",
        indices.dtype());
}

IndexArrays index_arrays(const array& a, const std::vector<array>& indices,
                         const std::vector<int>& axes, const char* op, StreamOrDevice s) {
  check(indices.size() == axes.size(), op, "{} index arrays for {} axes.", indices.size(),
        axes.size());
  for (int axis : axes) {
    check(axis >= 0, op, "axis {} is negative.", axis);
  }
  normalize_axes(axes, int(a.ndim()), op);
  IndexArrays result{{}, indices};
  for (const array& index : indices) {
    check_indices(index, op);
    result.shape = broadcast_shapes(result.shape, index.shape());
  }
  for (array& index : result.arrays) index = broadcast_to(index, result.shape, s);
  return result;
}

array matrix_indices(const std::optional<array>& given, const array& matrices, const char* op,
                     StreamOrDevice s) {
  if (!given) {
    Shape batch = without_last(matrices.shape(), 2);
    return reshape(arange(double(size_of_shape(batch)), int64, s), batch, s);
  }
  check_indices(*given, op);
  return astype(*given, int64, s);
}

std::vector<int> dynamic_slice_axes(const array& a, const array& start, std::vector<int> axes,
                                    const char* op) {
  check_indices(start, op);
  check(start.ndim() <= 1 && start.size() == axes.size(), op, "a start of shape {} for {} axes.",
        start.shape(), axes.size());
  normalize_axes(axes, int(a.ndim()), op);
  for (int& axis : axes) axis += axis < 0 ? int(a.ndim()) : 0;
  return axes;
}

Shape shape_but_for(const Shape& a, const Shape& b, int axis, ShapeElem dim) {
  Shape x = a, y = b;
  x[axis] = y[axis] = 1;
  Shape common = broadcast_shapes(x, y);
  common[axis] = dim;
  return common;
}

}  // namespace tarn
