#include "tarn/kernels/cpu/pad.h"

#include <algorithm>
#include <cassert>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/creation.h"

namespace tarn::cpu {

namespace {

class Padding {
 public:
  Padding(PadMode mode, const Shape& low, const void* value, const View& to)
      : mode_(mode), value_(value), to_(to), begin_(low), end_(low) {}

  // The last axis first: what it adds are short pieces of rows, and the fewer of these the better;
  // the others add whole rows.
  void run(const View& from) {
    for (int axis = 0; axis < to_.ndim; ++axis) end_[axis] += from.shape[axis];
    write(begin_, end_, [&](const View& inside) { copy(from, inside); });
    for (int axis = to_.ndim - 1; axis >= 0; --axis) {
      if (mode_ == PadMode::constant) {
        fill_between(axis, 0, begin_[axis]);
        fill_between(axis, end_[axis], to_.shape[axis]);
      } else {
        extend(axis);
      }
      begin_[axis] = 0;
      end_[axis] = to_.shape[axis];
    }
  }

 private:
  // Calls f with the part of `to` from `begin` to `end`.
  template <class F>
  void write(const Shape& begin, const Shape& end, F f) const {
    Shape shape = end;
    char* first = to_.as<char>();
    for (int axis = 0; axis < to_.ndim; ++axis) {
      shape[axis] -= begin[axis];
      first += begin[axis] * to_.strides[axis] * to_.itemsize();
    }
    f({first, shape.data(), to_.strides, to_.ndim, to_.dtype, size_of_shape(shape)});
  }

  void fill_between(int axis, int begin, int end) const {
    Shape first = begin_, last = end_;
    first[axis] = begin;
    last[axis] = end;
    write(first, last, [&](const View& border) { fill(value_, border); });
  }

  // Copies the elements along `axis` from `source` on, in steps of `step`, to those between begin
  // and end.
  void replicate(int axis, int source, int step, int begin, int end) const {
    Shape first = begin_, last = end_;
    first[axis] = begin;
    last[axis] = end;
    write(first, last, [&](const View& border) {
      Strides strides(to_.strides, to_.strides + to_.ndim);
      View elements = border;
      elements.data = border.as<char>() + (source - begin) * strides[axis] * to_.itemsize();
      strides[axis] *= step;
      elements.strides = strides.data();
      copy(elements, border);
    });
  }

  // Mirrors the array's elements, then them and their image, and so on until the axis is full on
  // either side: an image of a whole number of periods continues them.
  void extend(int axis) const {
    const int begin = begin_[axis], end = end_[axis], dim = to_.shape[axis];
    const int skipped = mode_ == PadMode::reflect;
    if (mode_ == PadMode::edge || end - begin == skipped) {
      replicate(axis, begin, 0, 0, begin);
      replicate(axis, end - 1, 0, end, dim);
      return;
    }
    for (int first = begin, n; first > 0; first -= n) {
      n = std::min(first, end - first - skipped);
      replicate(axis, first + skipped + n - 1, -1, first - n, first);
    }
    for (int last = end, n; last < dim; last += n) {
      n = std::min(dim - last, last - begin - skipped);
      replicate(axis, last - skipped - 1, -1, last, last + n);
    }
  }

  const PadMode mode_;
  const void* const value_;
  const View& to_;
  Shape begin_, end_;  // of what has its elements
};

}  // namespace

void pad(PadMode mode, const View& from, const Shape& low, const void* value, const View& to) {
  assert(from.dtype == to.dtype);
  if (to.size == 0) return;
  Padding(mode, low, value, to).run(from);
}

}  // namespace tarn::cpu
