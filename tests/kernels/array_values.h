// The elements of arrays, for tests of public functions.
#pragma once

#include <complex>
#include <vector>

#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/shape.h"

namespace tarn {

// In row-major order. Computes the array.
template <class T = double>
std::vector<T> values_of(const array& a) {
  array dense = contiguous(astype(a, dtype_of<T>));
  dense.eval();
  return {dense.data<T>(), dense.data<T>() + dense.size()};
}

}  // namespace tarn
