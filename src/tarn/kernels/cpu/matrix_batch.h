// The matrices in the last two axes of a view.
#pragma once

#include <cstdint>

#include "tarn/base/view.h"

namespace tarn::cpu {

inline int64_t rows(const View& view) { return view.shape[view.ndim - 2]; }
inline int64_t columns(const View& view) { return view.shape[view.ndim - 1]; }

// Numbers them in row-major order of the other axes. Borrows shape and strides.
class MatrixBatch {
 public:
  explicit MatrixBatch(const View& view) : view_(view) {
    for (int axis = 0; axis < view.ndim - 2; ++axis) size_ *= view.shape[axis];
  }

  int64_t size() const { return size_; }

  View operator[](int64_t i) const {
    const int last = view_.ndim - 2;
    int64_t offset = 0;
    for (int axis = last; axis-- > 0; i /= view_.shape[axis]) {
      offset += i % view_.shape[axis] * view_.strides[axis];
    }
    return {view_.as<char>() + offset * view_.itemsize(),
            view_.shape + last,
            view_.strides + last,
            2,
            view_.dtype,
            rows(view_) * columns(view_)};
  }

 private:
  View view_;
  int64_t size_ = 1;
};

}  // namespace tarn::cpu
