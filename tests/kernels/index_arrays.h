// Random index arrays of any integer type and layout, and where they point to.
#pragma once

#include <random>
#include <vector>

#include "tests/kernels/test_array.h"

namespace tarn {

// Calls f(index, position) for each index of the shape, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  const int64_t size = size_of_shape(shape);
  Shape at(shape.size(), 0);
  for (int64_t position = 0; position < size; ++position) {
    f(at, position);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
}

inline int64_t position_of(const Shape& shape, const Shape& at) {
  int64_t position = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) position = position * shape[axis] + at[axis];
  return position;
}

// Indices of an axis, all of them in bounds, half of the signed ones counted from the end.
class RandomIndices {
 public:
  // Slices of `slice` elements begin at the indices.
  RandomIndices(std::mt19937& random, const Shape& shape, int dim, int slice = 1)
      : array_(make(random, shape)) {
    visit(array_.view().dtype, [&](auto tag) {
      using Index = typename decltype(tag)::type;
      array_.for_each<Index>([&](Index& index, int64_t) {
        const int from_front = pick(random, 0, dim - slice);
        const bool is_from_end = std::is_signed_v<Index> && pick(random, 0, 1) == 0;
        index = Index(is_from_end ? from_front - dim : from_front);
        resolved.push_back(from_front);
      });
    });
  }

  View view() { return array_.view(); }

  std::vector<int> resolved;  // in row-major order

 private:
  static TestArray make(std::mt19937& random, const Shape& shape) {
    constexpr Dtype kIntegers[] = {uint8, uint16, uint32, uint64, int8, int16, int32, int64};
    return TestArray::random_layout(kIntegers[pick(random, 0, 7)], shape, random);
  }

  TestArray array_;
};

// Slices of an array that begin at indices along some of its axes.
class RandomSlices {
 public:
  RandomSlices(std::mt19937& random, const Shape& array_shape)
      : index_shape(random_shape(random, 2, 5)), shape(array_shape) {
    for (int axis = 0; axis < static_cast<int>(array_shape.size()); ++axis) {
      const int dim = array_shape[axis];
      if (pick(random, 0, 2) > 0)
        shape[axis] = pick(random, 0, 1) == 0 ? std::min(dim, 1) : pick(random, 0, dim);
      if (dim > 0 && pick(random, 0, 1) == 0) axes.push_back(axis);
    }
    std::shuffle(axes.begin(), axes.end(), random);
    for (int axis : axes) {
      indices.emplace_back(random, index_shape, array_shape[axis], shape[axis]);
    }
  }

  std::vector<View> views() {
    std::vector<View> result;
    for (RandomIndices& index : indices) result.push_back(index.view());
    return result;
  }

  // Calls f(position in row-major order of all slices, index of the element in the array).
  template <class F>
  void for_each_element(F f) const {
    Shape all = index_shape;
    all.insert(all.end(), shape.begin(), shape.end());
    const int64_t slice_size = size_of_shape(shape);
    for_each_index(all, [&](const Shape& at, int64_t position) {
      Shape where(at.begin() + index_shape.size(), at.end());
      for (size_t k = 0; k < axes.size(); ++k) {
        where[axes[k]] += indices[k].resolved[position / slice_size];
      }
      f(position, where);
    });
  }

  Shape index_shape;
  Shape shape;  // of a slice
  std::vector<int> axes;
  std::vector<RandomIndices> indices;
};

}  // namespace tarn
