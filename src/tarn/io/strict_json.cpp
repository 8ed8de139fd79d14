#include "tarn/io/strict_json.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace tarn::io {

namespace {

using nlohmann::json;

// Reads the text for the parser, which does not tell where it is.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  // `n_read` is kept up to date.
  Cursor(const char* at, size_t& n_read) : at_(at), n_read_(&n_read) {}

  reference operator*() const { return *at_; }
  Cursor& operator++() {
    ++at_;
    ++*n_read_;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  size_t* n_read_;
};

// Builds the value from the parser's events. The library's own builder can be watched by a
// callback, but takes quadratic time then.
class Builder {
 public:
  // `n_read`: how much of the text the parser has read.
  Builder(size_t max_depth, const size_t& n_read) : max_depth_(max_depth), n_read_(n_read) {}

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
      throw JsonError(fmt::format("has the key {} twice", json(name).dump()), n_read_ - 1);
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
      throw JsonError(fmt::format("is nested more than {} deep", max_depth_), n_read_ - 1);
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
  const size_t& n_read_;
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
  size_t n_read = 0;
  Builder builder(max_depth, n_read);
  const char* const end = text.data() + text.size();
  json::sax_parse(Cursor(text.data(), n_read), Cursor(end, n_read), &builder);
  return builder.take();
}

}  // namespace tarn::io
