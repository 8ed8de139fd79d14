// Matrices that indices pick, and which of their products are one.
#pragma once

#include <vector>

#include "tarn/base/view.h"

namespace tarn::cpu {

// Indices are int64 with any strides.
std::vector<int64_t> dense_indices(const View& indices);

// The matrices of `view`, numbered in row-major order of the leading axes, in the order of the
// indices. Negative ones count from the end. Throws OperationError(FailureKind::index), with the
// name of the operation and the side, for one that is out of bounds.
std::vector<View> pick_matrices(const View& view, const View& indices, const char* op,
                                const char* side);

int64_t bytes_between(const View& first, const View& second);

// Products that follow each other, have one right side, and left sides at even distances: one
// product with a taller left side.
struct PickedRun {
  int64_t begin, end;
};
std::vector<PickedRun> find_runs(const std::vector<View>& a, const std::vector<View>& b);

}  // namespace tarn::cpu
