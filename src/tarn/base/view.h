// View: what a kernel sees of an array. Borrows everything; the caller keeps memory, shape and
// strides alive.
#pragma once

#include <cstdint>

#include "tarn/base/dtype.h"

namespace tarn {

struct View {
  void* data;  // the view's first element: an offset into the buffer is applied already
  const int32_t* shape;
  const int64_t* strides;  // in elements; may be zero (broadcast) or negative
  int ndim;
  Dtype dtype;
  int64_t size;  // product of the shape

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int64_t itemsize() const { return dtype.size(); }
  int64_t nbytes() const { return size * itemsize(); }
};

// An input of elementwise work as it lies in memory.
struct StridedOperand {
  enum class Form : uint8_t {
    dense,    // laid out as the outputs; `strides` is not read
    scalar,   // one element for all; `strides` is not read
    strided,  // `strides` has one entry per dimension of the work's shape, in elements, 0 where
              // broadcast
  };

  const void* data;  // the first element
  Form form;
  const int64_t* strides = nullptr;
};

// Whether elements follow each other in row-major order without gaps. Strides of dimensions of size
// one do not matter.
inline bool is_row_contiguous(const View& view) {
  int64_t expected = 1;
  for (int i = view.ndim - 1; i >= 0; --i) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return view.size == 0;
    expected *= view.shape[i];
  }
  return true;
}

}  // namespace tarn
