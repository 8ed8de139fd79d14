#include "tarn/io/strict_json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>
#include <vector>

namespace tarn::io {

namespace {

using nlohmann::json;

// Follows the parser through the text to know which objects are open and which keys they have.
class Strictness {
 public:
  explicit Strictness(size_t max_depth) : max_depth_(max_depth) {}

  void on_event(json::parse_event_t event, const json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (open_keys_.size() == max_depth_) {
          throw JsonError(fmt::format("is nested more than {} deep", max_depth_), 0);
        }
        open_keys_.emplace_back();
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        open_keys_.pop_back();
        break;
      case json::parse_event_t::key:
        if (!open_keys_.back().insert(parsed.get_ref<const std::string&>()).second) {
          throw JsonError(fmt::format("has the key {} twice", parsed.dump()), 0);
        }
        break;
      case json::parse_event_t::value:
        break;
    }
  }

 private:
  size_t max_depth_;
  std::vector<std::unordered_set<std::string>> open_keys_;
};

}  // namespace

json parse_strict_json(std::string_view text, size_t max_depth) {
  // The parser would take a zero byte for the end of the text and ignore what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    throw JsonError("has a zero byte in it", zero);
  }
  Strictness strictness(max_depth);
  auto on_event = [&](int, json::parse_event_t event, const json& parsed) {
    strictness.on_event(event, parsed);
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), on_event);
  } catch (const json::parse_error& error) {
    throw JsonError("is not valid JSON", error.byte == 0 ? 0 : error.byte - 1);
  } catch (const json::exception&) {
    throw JsonError("has a number that no type holds", 0);
  }
}

}  // namespace tarn::io
