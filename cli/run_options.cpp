#include "cli/run_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace tarn::cli {

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kByteUnits[] = {
    {"", 1},         {"B", 1},        {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
    {"TB", 1e12},    {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},   {"T", 0x1p40},
    {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
};
constexpr Unit kTimeUnits[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};

// A number and a unit, in the unit's base.
uint64_t parse_quantity(const std::string& text, std::span<const Unit> units, const char* example) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit_name(rest, size_t(end - rest));
  for (const Unit& unit : units) {
    const double quantity = number * unit.factor;
    const bool fits = quantity >= 0 && quantity < 0x1p63;
    if (error == std::errc() && unit.name == unit_name && fits)
      return uint64_t(std::ceil(quantity));
  }
  throw std::invalid_argument(fmt::format("\"{}\" is not of the form {}", text, example));
}

}  // namespace

size_t RunOptions::n_workers() const {
  if (n_threads > 0) return size_t(n_threads);
  return std::max(1u, std::thread::hardware_concurrency());
}

std::optional<FailureKind> RunOptions::ended_by() const {
  if (stop.stop_requested()) return FailureKind::cancelled;
  if (deadline && std::chrono::steady_clock::now() >= *deadline) return FailureKind::deadline;
  return std::nullopt;
}

const char* ended_text(FailureKind ended_by) {
  return ended_by == FailureKind::deadline ? "the time was up" : "interrupted";
}

bool is_end_of_run(FailureKind kind) {
  return kind == FailureKind::cancelled || kind == FailureKind::deadline;
}

uint64_t parse_nbytes(const std::string& text) {
  return parse_quantity(text, kByteUnits, "512MiB");
}

std::chrono::milliseconds parse_duration(const std::string& text) {
  constexpr uint64_t kCentury = 100ull * 366 * 24 * 3600 * 1000;
  return std::chrono::milliseconds(std::min(parse_quantity(text, kTimeUnits, "30s"), kCentury));
}

}  // namespace tarn::cli
