// Vector × matrix, where the matrix is read once.
#pragma once

#include <span>

#include "tarn/base/shape.h"
#include "tarn/base/view.h"

namespace tarn::cpu {

// For every index of the batch: y[j] = sum over i of x[i] * b(i, j). Strides in elements.
struct MatvecBatch {
  Dtype dtype;
  const void* x;
  int64_t x_stride;
  const void* b;
  int64_t b_inner, b_outer;  // strides along i and j
  void* y;                   // its elements are adjacent, and so are those of the next batch index
  int64_t n_inner, n_outer;
  std::span<const int32_t> batch_shape;
  const int64_t* x_batch_strides;
  const int64_t* b_batch_strides;
};

// Whether there is a loop for this dtype and these strides.
bool takes_matvec(const MatvecBatch& work);

// Requires: takes_matvec(work), and no dimension of zero.
void matvec(const MatvecBatch& work);

}  // namespace tarn::cpu
