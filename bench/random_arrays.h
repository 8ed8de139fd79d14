// Inputs of benchmarks: random, never zeros, the same in every run of the same rows.
#pragma once

#include <random>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"

namespace tarn::bench {

// Draws on where the last array ended.
inline std::mt19937& generator() {
  static std::mt19937 generator(7);
  return generator;
}

inline array random_floats(Shape shape, float low, float high) {
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(size_of_shape(shape));
  for (float& value : values) value = uniform(generator());
  return array(values.begin(), std::move(shape));
}

// n numbers from 0 to below `high`.
inline array random_integers(int n, int high) {
  std::uniform_int_distribution<int> uniform(0, high - 1);
  std::vector<int> values(n);
  for (int& value : values) value = uniform(generator());
  return array(values.begin(), {n});
}

}  // namespace tarn::bench
