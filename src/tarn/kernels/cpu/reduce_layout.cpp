#include "tarn/kernels/cpu/reduce_layout.h"

#include <algorithm>
#include <cstdlib>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/gather.h"

namespace tarn::cpu {

namespace {

Walk collapsed(Shape shape, Strides strides) {
  Walk walk{std::move(shape), std::move(strides), 0};
  walk.size = size_of_shape(walk.shape);
  collapse_dims(walk.shape, {&walk.strides, 1});
  if (walk.shape.size() == 0) {
    walk.shape.push_back(1);
    walk.strides.push_back(1);
  }
  return walk;
}

}  // namespace

ReduceLayout split_axes(const View& in, std::span<const int> axes) {
  Shape kept, reduced;
  Strides kept_strides, reduced_strides;
  SmallVector<int, kInlineDims> order(axes.begin(), axes.end());
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return std::abs(in.strides[a]) > std::abs(in.strides[b]); });
  for (int axis : order) {
    reduced.push_back(in.shape[axis]);
    reduced_strides.push_back(in.strides[axis]);
  }
  for (int axis = 0; axis < in.ndim; ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    kept.push_back(in.shape[axis]);
    kept_strides.push_back(in.strides[axis]);
  }
  return {collapsed(std::move(kept), std::move(kept_strides)),
          collapsed(std::move(reduced), std::move(reduced_strides))};
}

bool prefers_columns(const ReduceLayout& layout) {
  constexpr int64_t kFewColumns = 32;
  return layout.kept.inner_dim() >= kFewColumns &&
         std::abs(layout.kept.inner_stride()) < std::abs(layout.reduced.inner_stride());
}

BlockReader::BlockReader(const View& in, Dtype::Val dtype)
    : data_(in.as<const char>()),
      item_size_(in.dtype.size()),
      cast_(kernels().cast[int(in.dtype.val())][int(dtype)]) {}

const void* BlockReader::read_run(int64_t offset, int64_t stride, int64_t n) {
  const char* const first = data_ + offset * item_size_;
  if (stride == 1) return convert(first, n);
  gather_run(gathered_, first, stride, n, item_size_);
  return convert(gathered_, n);
}

const void* BlockReader::read(const Walk& walk, int64_t offset, int64_t begin, int64_t n) {
  const int64_t run = walk.inner_dim();
  if (begin % run + n <= run && walk.shape.size() == 1) {
    return read_run(offset + begin * walk.inner_stride(), walk.inner_stride(), n);
  }
  gather(gathered_, data_ + offset * item_size_, walk.dims(), walk.strides.data(), begin, n,
         item_size_);
  return convert(gathered_, n);
}

const void* BlockReader::convert(const void* elements, int64_t n) {
  if (!cast_) return elements;
  cast_(converted_, elements, nullptr, nullptr, size_t(n));
  return converted_;
}

}  // namespace tarn::cpu
