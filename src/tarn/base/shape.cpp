#include "tarn/base/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>
#include <stdexcept>

namespace tarn {

void shape_detail::throw_too_many_elements(const Shape& shape) {
  throw std::overflow_error(
      fmt::format("shape {} has more than 2^63 - 1 elements", to_string(shape)));
}

void shape_detail::throw_outside_int32(std::string_view op, const std::string& value) {
  const std::string prefix = op.empty() ? "" : fmt::format("[{}] ", op);
  throw std::overflow_error(
      fmt::format("{}{} does not fit into a dimension, which is an int32.", prefix, value));
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ",")); }

std::string to_string(const Strides& strides) {
  return fmt::format("({})", fmt::join(strides, ","));
}

std::ostream& operator<<(std::ostream& os, const Shape& shape) { return os << to_string(shape); }

std::ostream& operator<<(std::ostream& os, const Strides& strides) {
  return os << to_string(strides);
}

int normalize_axis_index(int axis, int ndim, const std::string& msg_prefix) {
  if (axis < -ndim || axis >= ndim) {
    throw std::invalid_argument(fmt::format(
        "{}Axis {} is out of bounds for array with {} dimensions.", msg_prefix, axis, ndim));
  }
  return axis < 0 ? axis + ndim : axis;
}

}  // namespace tarn
