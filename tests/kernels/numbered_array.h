// Arrays whose elements are their own numbers in row-major order, in whatever order they lie in
// memory: what is made of them by moving elements shows where each came from.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/shape.h"

namespace tarn {

template <class T>
std::vector<T> values_of(array a) {
  a = contiguous(a);
  a.eval();
  return std::vector<T>(a.data<T>(), a.data<T>() + a.size());
}

inline array numbered(const Shape& shape) {
  return reshape(arange(int(size_of_shape(shape))), shape);
}

// The same with its axes in some order in memory, some of them backwards.
inline array numbered(const Shape& shape, std::mt19937& random) {
  std::vector<int> order(shape.size()), inverse(shape.size()), backwards;
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  for (int axis = 0; axis < int(shape.size()); ++axis) {
    inverse[order[axis]] = axis;
    if (random() % 4 == 0) backwards.push_back(axis);
  }
  const array in_order = contiguous(flip(transpose(numbered(shape), order), backwards));
  return transpose(flip(in_order, backwards), inverse);
}

// The number of the element at an index.
inline int number_at(const Shape& shape, const Shape& index) {
  int number = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) number = number * shape[axis] + index[axis];
  return number;
}

// Calls f(index) for each place of a shape, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  const int64_t size = size_of_shape(shape);
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < size; ++i) {
    f(index);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

// Expects the shape, and at each index the number that `number_of` gives for it.
template <class F>
void expect_numbers(const array& result, const Shape& shape, F number_of) {
  ASSERT_EQ(result.shape(), shape);
  const std::vector<int> got = values_of<int>(astype(result, int32));
  size_t i = 0;
  for_each_index(shape, [&](const Shape& index) {
    ASSERT_EQ(got[i++], number_of(index)) << "at " << index << " of " << shape;
  });
}

}  // namespace tarn
