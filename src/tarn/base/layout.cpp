#include "tarn/base/layout.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <limits>

#include "tarn/base/error.h"

namespace tarn {

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const size_t lead = longer.size() - shorter.size();
  Shape result = longer;
  for (size_t i = 0; i < shorter.size(); ++i) {
    ShapeElem& dim = result[lead + i];
    if (dim == shorter[i] || shorter[i] == 1) continue;
    check(dim == 1, "broadcast_shapes", "shapes {} and {} cannot be broadcast.", a, b);
    dim = shorter[i];
  }
  return result;
}

Strides broadcast_strides(const Layout& layout, const Shape& shape) {
  assert(layout.shape.size() <= shape.size());
  Strides strides(shape.size(), 0);
  const size_t lead = shape.size() - layout.shape.size();
  for (size_t i = 0; i < layout.shape.size(); ++i) {
    const bool stretched = layout.shape[i] == 1 && shape[lead + i] != 1;
    strides[lead + i] = stretched ? 0 : layout.strides[i];
  }
  return strides;
}

Layout permute(const Layout& layout, std::span<const int> axes) {
  assert(axes.size() == layout.shape.size());
  Layout result{Shape(axes.size()), Strides(axes.size()), layout.offset};
  for (size_t i = 0; i < axes.size(); ++i) {
    result.shape[i] = layout.shape[axes[i]];
    result.strides[i] = layout.strides[axes[i]];
  }
  return result;
}

ResolvedSlice resolve_slice(const Shape& shape, const Shape& start, const Shape& stop,
                            const Shape& steps) {
  const size_t ndim = shape.size();
  assert(start.size() == ndim && stop.size() == ndim && steps.size() == ndim);
  ResolvedSlice result{Shape(ndim), steps, Shape(ndim)};
  for (size_t i = 0; i < ndim; ++i) {
    const int64_t dim = shape[i];
    const int64_t step = steps[i];
    assert(step != 0);
    int64_t first = start[i] < 0 ? start[i] + dim : start[i];
    int64_t last = stop[i] < 0 ? stop[i] + dim : stop[i];
    int64_t span;
    if (step > 0) {
      first = std::clamp<int64_t>(first, 0, dim);
      last = std::clamp<int64_t>(last, 0, dim);
      span = last - first;
    } else {
      first = std::clamp<int64_t>(first, -1, dim - 1);
      last = std::clamp<int64_t>(last, -1, dim - 1);
      span = first - last;
    }
    const int64_t stride = std::abs(step);
    const int64_t count = span > 0 ? (span + stride - 1) / stride : 0;
    // An empty slice has no first element; zero keeps its offset inside the buffer.
    result.start[i] = static_cast<ShapeElem>(count > 0 ? first : 0);
    result.shape[i] = static_cast<ShapeElem>(count);
  }
  return result;
}

Layout slice(const Layout& layout, const ResolvedSlice& bounds) {
  Layout result{bounds.shape, layout.strides, layout.offset};
  for (size_t i = 0; i < layout.shape.size(); ++i) {
    result.offset += bounds.start[i] * layout.strides[i];
    result.strides[i] *= bounds.steps[i];
  }
  return result;
}

Layout diagonal(const Layout& layout, int offset, int axis1, int axis2) {
  const int64_t first1 = std::max<int64_t>(0, -int64_t{offset});
  const int64_t first2 = std::max<int64_t>(0, offset);
  const int64_t length =
      std::max<int64_t>(0, std::min(layout.shape[axis1] - first1, layout.shape[axis2] - first2));
  Layout result{{}, {}, layout.offset};
  for (int axis = 0; axis < static_cast<int>(layout.shape.size()); ++axis) {
    if (axis == axis1 || axis == axis2) continue;
    result.shape.push_back(layout.shape[axis]);
    result.strides.push_back(layout.strides[axis]);
  }
  result.shape.push_back(static_cast<ShapeElem>(length));
  result.strides.push_back(layout.strides[axis1] + layout.strides[axis2]);
  // An empty diagonal has no first element; nothing added keeps its offset inside the buffer.
  if (length > 0) {
    result.offset += first1 * layout.strides[axis1] + first2 * layout.strides[axis2];
  }
  return result;
}

std::optional<Strides> try_reshape(const Layout& layout, const Shape& shape) {
  if (size_of_shape(shape) == 0) return row_major_strides(shape);

  // Runs of old axes that one stride walks, innermost first. Not collapse_dims: a run may be longer
  // than a dimension may be.
  struct Run {
    int64_t size;
    int64_t stride;
  };
  SmallVector<Run, kInlineDims> runs;
  for (size_t i = layout.shape.size(); i-- > 0;) {
    const int64_t dim = layout.shape[i];
    if (dim == 1) continue;
    if (!runs.empty() && layout.strides[i] == runs.back().stride * runs.back().size) {
      runs.back().size *= dim;
    } else {
      runs.emplace_back(Run{dim, layout.strides[i]});
    }
  }

  // Each new axis has to lie within one run.
  Strides strides(shape.size());
  size_t next_run = 0;
  int64_t left = 1;    // elements of the current run that no new axis covers yet
  int64_t stride = 1;  // between the elements of the next new axis
  for (size_t i = shape.size(); i-- > 0;) {
    const int64_t dim = shape[i];
    if (dim != 1 && left == 1) {
      left = runs[next_run].size;
      stride = runs[next_run].stride;
      ++next_run;
    }
    if (left % dim != 0) return std::nullopt;
    strides[i] = stride;
    stride *= dim;
    left /= dim;
  }
  return strides;
}

Reach reach(const Shape& shape, const Strides& strides) {
  Reach reach{0, 0};
  for (size_t i = 0; i < shape.size(); ++i) {
    const __int128 last = __int128{strides[i]} * (shape[i] - 1);
    (last < 0 ? reach.lowest : reach.highest) += last;
  }
  return reach;
}

Density density(const Shape& shape, const Strides& strides) {
  const size_t ndim = shape.size();
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return {{true, true, true}, 0};

  struct Axis {
    int64_t stride;
    int64_t dim;
  };
  SmallVector<Axis, kInlineDims> walked;  // the axes along which elements differ
  int64_t data_size = 1;
  bool row = true;
  bool col = true;
  int64_t row_stride = 1;
  int64_t col_stride = 1;
  for (size_t i = 0; i < ndim; ++i) {
    const size_t j = ndim - 1 - i;
    if (shape[i] != 1) {
      data_size += (shape[i] - 1) * std::abs(strides[i]);
      col &= strides[i] == col_stride;
      if (strides[i] != 0) walked.emplace_back(Axis{strides[i], shape[i]});
    }
    if (shape[j] != 1) row &= strides[j] == row_stride;
    col_stride *= shape[i];
    row_stride *= shape[j];
  }
  if (row || col) return {{true, row, col}, data_size};

  std::sort(walked.begin(), walked.end(),
            [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  int64_t filled = 1;
  for (const Axis& axis : walked) {
    if (axis.stride != filled) return {{false, false, false}, data_size};
    filled *= axis.dim;
  }
  return {{true, false, false}, data_size};
}

void collapse_dims(Shape& shape, std::span<Strides> operands) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    shape = Shape{0};
    for (Strides& strides : operands) strides = Strides{0};
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const ShapeElem dim = shape[i];
    if (dim == 1) continue;
    const bool joins = kept > 0 &&
                       int64_t{shape[kept - 1]} * dim <= std::numeric_limits<ShapeElem>::max() &&
                       std::all_of(operands.begin(), operands.end(),
                                   [&](const Strides& s) { return s[kept - 1] == s[i] * dim; });
    if (joins) {
      shape[kept - 1] *= dim;
    } else {
      shape[kept++] = dim;
    }
    for (Strides& strides : operands) strides[kept - 1] = strides[i];
  }
  shape.resize(kept);
  for (Strides& strides : operands) strides.resize(kept);
}

}  // namespace tarn
