#include "tarn/io/strict_json.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace tarn::io {

namespace {

using nlohmann::json;

// Builds the value from the parser's events. The library's own builder can be watched by a
// callback, but takes quadratic time then.
class Builder {
 public:
  explicit Builder(size_t max_depth) : max_depth_(max_depth) {}

  ParsedJson take() { return std::move(root_); }

  // What the parser calls; true means go on.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(json::binary_t& value) { return add(std::move(value)); }
  bool start_object(size_t) { return open(json::object()); }
  bool start_array(size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    if (open_.back()->contains(name)) {
      throw JsonError(fmt::format("has the key {} twice", json(name).dump()), 0);
    }
    key_ = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception& error) {
    constexpr int kNumberOverflow = 406;
    throw JsonError(
        error.id == kNumberOverflow ? "has a number that no type holds" : "is not valid JSON",
        position == 0 ? 0 : position - 1);
  }

 private:
  bool add(json value) {
    insert(std::move(value));
    return true;
  }

  bool open(json value) {
    if (open_.size() == max_depth_) {
      throw JsonError(fmt::format("is nested more than {} deep", max_depth_), 0);
    }
    // The address stays good: until this value is closed, none is added beside it.
    open_.push_back(&insert(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  json& insert(json value) {
    if (open_.empty()) return *root_ = std::move(value);
    json& parent = *open_.back();
    if (parent.is_array()) return parent.emplace_back(std::move(value));
    return *parent.emplace(std::move(key_), std::move(value)).first;
  }

  const size_t max_depth_;
  ParsedJson root_;
  std::vector<json*> open_;  // from the root inwards
  std::string key_;          // of the value that comes next
};

}  // namespace

void ParsedJson::take_apart(json& value) noexcept {
  if (auto* array = value.get_ptr<json::array_t*>()) {
    for (json& element : *array) take_apart(element);
    array->clear();
  } else if (auto* object = value.get_ptr<json::object_t*>()) {
    for (auto& [name, member] : *object) take_apart(member);
    object->clear();
  }
}

ParsedJson parse_strict_json(std::string_view text, size_t max_depth) {
  // The parser would take a zero byte for the end of the text and ignore what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    throw JsonError("has a zero byte in it", zero);
  }
  Builder builder(max_depth);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace tarn::io
