// Every environment variable that Tarn reads, parsed once. The list, with its documentation, is in
// settings.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

struct Settings {
  // Widest instruction set that kernels may use.
  enum class Isa : uint8_t { best, scalar, avx2, avx512 };

  Isa isa = Isa::best;
  int num_threads = 0;                  // 0: as many as the process may run on
  std::optional<int64_t> memory_limit;  // bytes
  std::optional<int64_t> cache_limit;   // bytes
  int exit_timeout_ms = 5000;
  bool origin_tracking = false;

  // One sentence for each variable whose value is not understood; its setting keeps the default.
  // The library does not print them and does not fail on them: the tool prints them, a program may.
  std::vector<std::string> problems;
};

// One variable, for documentation and `tarn --help`.
struct SettingInfo {
  const char* variable;
  const char* values;
  const char* doc;
};
std::span<const SettingInfo> setting_infos();

// `lookup` returns a variable's value, or null when it is not set. Never throws for a bad value.
Settings parse_settings(const std::function<const char*(const char*)>& lookup);

// The settings of this process, from the environment at the first call. Thread-safe; constant
// afterwards.
const Settings& settings();

}  // namespace tarn
