// check(): the one way a user's mistake becomes an exception. For .cpp files and internal headers:
// it brings fmt along.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "tarn/base/dtype.h"
#include "tarn/base/shape.h"

// Shapes, strides and dtypes are arguments of almost every message. Formatting them lazily keeps a
// check that passes free of string work.
template <>
struct fmt::formatter<tarn::Shape> : fmt::formatter<std::string_view> {
  auto format(const tarn::Shape& shape, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(tarn::to_string(shape), ctx);
  }
};
template <>
struct fmt::formatter<tarn::Strides> : fmt::formatter<std::string_view> {
  auto format(const tarn::Strides& strides, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(tarn::to_string(strides), ctx);
  }
};
template <>
struct fmt::formatter<tarn::Dtype> : fmt::formatter<std::string_view> {
  auto format(const tarn::Dtype& dtype, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(tarn::dtype_name(dtype), ctx);
  }
};

namespace tarn {

// Throws Exception("[op] message") unless the condition holds:
//   check(a.ndim() == 2, "inv", "wants a matrix, got shape {}.", a.shape());
//   check<std::out_of_range>(axis < ndim, "sum", …);
template <class Exception = std::invalid_argument, class... Args>
void check(bool condition, std::string_view op, fmt::format_string<const Args&...> format,
           const Args&... args) {
  if (condition) [[likely]]
    return;
  throw Exception(fmt::format("[{}] {}", op, fmt::format(format, args...)));
}

}  // namespace tarn
