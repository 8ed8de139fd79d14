// JSON from files nobody vouches for.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tarn::io {

// A value of the JSON library. The library's own destructor needs memory, and ends the process when
// it gets none; this one takes the value apart first, leaf by leaf, so that nothing is needed.
class ParsedJson {
 public:
  ParsedJson() = default;
  ParsedJson(ParsedJson&&) noexcept = default;
  ParsedJson& operator=(ParsedJson&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~ParsedJson() { take_apart(value_); }

  nlohmann::json& operator*() noexcept { return value_; }
  const nlohmann::json& operator*() const noexcept { return value_; }

 private:
  // As deep in recursion as the value is nested.
  static void take_apart(nlohmann::json& value) noexcept;

  nlohmann::json value_;
};

// Text that is not JSON, or JSON that parse_strict_json refuses.
class JsonError : public std::runtime_error {
 public:
  JsonError(const std::string& message, size_t position)
      : std::runtime_error(message), position_(position) {}
  // Bytes of the text before the place of the error, as well as it is known.
  size_t position() const noexcept { return position_; }

 private:
  size_t position_;
};

// Parses `text` as exactly one JSON value. Beyond what JSON demands it refuses a repeated key, of
// which readers would pick different ones, and more than `max_depth` objects and arrays in one
// another. Throws JsonError.
ParsedJson parse_strict_json(std::string_view text, size_t max_depth);

}  // namespace tarn::io
