#include "tarn/base/settings.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <limits>

namespace tarn {

namespace {

constexpr const char* kByteValues = "bytes, or a number with K, M, G or T (powers of 1024)";

struct Setting {
  SettingInfo info;
  bool (*parse)(std::string_view text, Settings& out);  // false: not understood, `out` is unchanged
};

template <class Int>
std::optional<Int> parse_integer(std::string_view text, Int lowest) {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest) return {};
  return value;
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = kUnits.find(text.back());
    if (unit != std::string_view::npos) {
      shift = 10 * static_cast<int>(unit + 1);
      text.remove_suffix(1);
    }
  }
  const auto count = parse_integer<int64_t>(text, 0);
  if (!count || *count > std::numeric_limits<int64_t>::max() >> shift) return {};
  return *count << shift;
}

template <class T>
bool assign(const std::optional<T>& parsed, auto& field) {
  if (parsed) field = *parsed;
  return parsed.has_value();
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "1" || text == "on" || text == "true") return true;
  if (text == "0" || text == "off" || text == "false") return false;
  return {};
}

std::optional<Settings::Isa> parse_isa(std::string_view text) {
  if (text == "best") return Settings::Isa::best;
  if (text == "scalar") return Settings::Isa::scalar;
  if (text == "avx2") return Settings::Isa::avx2;
  if (text == "avx512") return Settings::Isa::avx512;
  return {};
}

constexpr Setting kSettings[] = {
    {{"TARN_ISA", "best, scalar, avx2 or avx512",
      "Widest instruction set that CPU kernels use. Default: the best that this CPU has; a wider "
      "one than it has is "
      "lowered to that."},
     [](std::string_view text, Settings& out) { return assign(parse_isa(text), out.isa); }},
    {{"TARN_NUM_THREADS", "a number of threads, at least 1",
      "Threads that one CPU operation is spread over. Default: the CPUs that the process may run "
      "on."},
     [](std::string_view text, Settings& out) {
       return assign(parse_integer(text, 1), out.num_threads);
     }},
    {{"TARN_MEMORY_LIMIT", kByteValues,
      "Bytes of host memory that arrays may hold; past it an allocation fails as out of memory. "
      "Default: a share of "
      "what the machine or the control group allows."},
     [](std::string_view text, Settings& out) {
       return assign(parse_bytes(text), out.memory_limit);
     }},
    {{"TARN_CACHE_LIMIT", kByteValues,
      "Bytes of freed buffers kept for reuse. 0 returns every buffer to the system at once. "
      "Default: chosen by the "
      "allocator."},
     [](std::string_view text, Settings& out) {
       return assign(parse_bytes(text), out.cache_limit);
     }},
    {{"TARN_EXIT_TIMEOUT_MS", "milliseconds, 0 or more",
      "How long the end of the process waits for pending work before it abandons it. Default: "
      "5000."},
     [](std::string_view text, Settings& out) {
       return assign(parse_integer(text, 0), out.exit_timeout_ms);
     }},
    {{"TARN_ORIGIN_TRACKING", "1, on, true, 0, off or false",
      "Whether each node records where in the program it was built, for failure messages. Default: "
      "off."},
     [](std::string_view text, Settings& out) {
       return assign(parse_switch(text), out.origin_tracking);
     }},
};

}  // namespace

std::span<const SettingInfo> setting_infos() {
  static const std::vector<SettingInfo> infos = [] {
    std::vector<SettingInfo> result;
    for (const Setting& setting : kSettings) result.push_back(setting.info);
    return result;
  }();
  return infos;
}

Settings parse_settings(const std::function<const char*(const char*)>& lookup) {
  Settings result;
  for (const Setting& setting : kSettings) {
    const auto& [variable, values, doc] = setting.info;
    const char* text = lookup(variable);
    if (!text || setting.parse(text, result)) continue;
    result.problems.push_back(
        fmt::format("{}='{}' is not understood and ignored; it takes {}.", variable, text, values));
  }
  return result;
}

const Settings& settings() {
  static const Settings parsed = parse_settings([](const char* name) { return std::getenv(name); });
  return parsed;
}

}  // namespace tarn
