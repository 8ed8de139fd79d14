// Counts through a shape in row-major order and knows where each operand's element is.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tarn/base/shape.h"

namespace tarn::cpu {

// Borrows shape and strides. Starts at the first element; next() past the last one starts over.
template <int kOperands>
class StridedIndex {
 public:
  // Requires: no dimension is zero; strides[i] has shape.size() entries.
  StridedIndex(std::span<const int32_t> shape, const std::array<const int64_t*, kOperands>& strides)
      : shape_(shape), strides_(strides), index_(shape.size(), 0) {}

  // Goes to the element at `position` in row-major order.
  void seek(int64_t position) {
    offsets_ = {};
    for (size_t axis = shape_.size(); axis-- > 0;) {
      index_[axis] = static_cast<int32_t>(position % shape_[axis]);
      position /= shape_[axis];
      for (int i = 0; i < kOperands; ++i) offsets_[i] += index_[axis] * strides_[i][axis];
    }
  }

  void next() {
    for (size_t axis = shape_.size(); axis-- > 0;) {
      if (++index_[axis] < shape_[axis]) {
        for (int i = 0; i < kOperands; ++i) offsets_[i] += strides_[i][axis];
        return;
      }
      index_[axis] = 0;
      for (int i = 0; i < kOperands; ++i) offsets_[i] -= (shape_[axis] - 1) * strides_[i][axis];
    }
  }

  int64_t offset(int operand) const { return offsets_[operand]; }

 private:
  std::span<const int32_t> shape_;
  std::array<const int64_t*, kOperands> strides_;
  SmallVector<int32_t, kInlineDims> index_;
  std::array<int64_t, kOperands> offsets_{};
};

}  // namespace tarn::cpu
