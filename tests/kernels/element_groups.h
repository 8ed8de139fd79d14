// The elements of an array that share an output of a reduction.
#pragma once

#include <vector>

#include "tests/kernels/test_array.h"

namespace tarn {

template <class T>
struct Groups {
  Shape shape;  // without the axes
  std::vector<std::vector<T>> elements;
};

// One group per position along the other axes, in row-major order; within it, the elements in
// row-major order along `axes`.
template <class T>
Groups<T> group_elements(TestArray& array, const std::vector<int>& axes) {
  Groups<T> groups;
  const Shape& shape = array.shape();
  std::vector<bool> is_reduced(shape.size());
  for (int axis : axes) is_reduced[size_t(axis)] = true;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (!is_reduced[axis]) groups.shape.push_back(shape[axis]);
  }
  groups.elements.resize(size_t(size_of_shape(groups.shape)));
  array.for_each<T>([&](const T& x, int64_t position) {
    int64_t group = 0, stride = 1;
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (!is_reduced[axis]) {
        group += position % shape[axis] * stride;
        stride *= shape[axis];
      }
      position /= shape[axis];
    }
    groups.elements[size_t(group)].push_back(x);
  });
  return groups;
}

// Every set of axes, the empty one among them, each in ascending order.
inline std::vector<std::vector<int>> subsets_of_axes(const Shape& shape) {
  std::vector<std::vector<int>> subsets;
  for (unsigned bits = 0; bits < 1u << shape.size(); ++bits) {
    std::vector<int>& axes = subsets.emplace_back();
    for (int axis = 0; axis < int(shape.size()); ++axis) {
      if (bits >> axis & 1) axes.push_back(axis);
    }
  }
  return subsets;
}

inline std::vector<int> random_axes(std::mt19937& random, const Shape& shape) {
  const std::vector<std::vector<int>> subsets = subsets_of_axes(shape);
  return subsets[random() % subsets.size()];
}

}  // namespace tarn
