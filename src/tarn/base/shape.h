// Shape and Strides, and the arithmetic on dimensions that has to notice when it leaves its integer
// type.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

#include "tarn/base/small_vector.h"

namespace tarn {

using ShapeElem = int32_t;

inline constexpr size_t kInlineDims = 6;
using Shape = SmallVector<ShapeElem, kInlineDims>;
using Strides = SmallVector<int64_t, kInlineDims>;  // in elements

namespace shape_detail {
[[noreturn]] void throw_too_many_elements(const Shape& shape);
[[noreturn]] void throw_outside_int32(std::string_view op, const std::string& value);
}  // namespace shape_detail

// The number of elements. Throws std::overflow_error past 2^63 - 1.
// Requires: no dimension is negative.
inline int64_t size_of_shape(const Shape& shape) {
  int64_t size = 1;
  bool overflow = false;
  for (ShapeElem dim : shape) {
    if (dim == 0) return 0;
    overflow |= __builtin_mul_overflow(size, int64_t{dim}, &size);
  }
  if (overflow) [[unlikely]]
    shape_detail::throw_too_many_elements(shape);
  return size;
}

// "(2,3)", as shapes appear in every message.
std::string to_string(const Shape& shape);
std::string to_string(const Strides& strides);
std::ostream& operator<<(std::ostream& os, const Shape& shape);
std::ostream& operator<<(std::ostream& os, const Strides& strides);

// `dim` as a dimension. Throws std::overflow_error, with the value in the text, if it does not fit.
template <class T>
ShapeElem safe_cast(T dim, std::string_view op = "") {
  if (!std::in_range<ShapeElem>(dim)) [[unlikely]] {
    shape_detail::throw_outside_int32(op, std::to_string(dim));
  }
  return static_cast<ShapeElem>(dim);
}

// The axis counted from the front. Throws std::invalid_argument unless -ndim <= axis < ndim.
int normalize_axis_index(int axis, int ndim, const std::string& msg_prefix = "");

}  // namespace tarn
