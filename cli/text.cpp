#include "cli/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tarn::cli {

namespace {

// Code points, which is how wide nearly all names are.
size_t width_of(std::string_view text) {
  return size_t(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

struct CodePoint {
  char32_t value = 0;
  size_t nbytes = 0;  // 0 if the text does not begin with UTF-8
};

// Requires: `text` is not empty.
CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t nbytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < nbytes) return {};
  char32_t value = lead & (0x7fu >> nbytes);
  for (size_t i = 1; i < nbytes; ++i) {
    if ((text[i] & 0xc0) != 0x80) return {};
    value = value << 6 | (text[i] & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xd800 && value < 0xe000;
  if (value < kLeast[nbytes] || value > 0x10ffff || is_surrogate) return {};
  return {value, nbytes};
}

// Control characters, line separators, and what turns the direction of writing or is not seen.
bool is_steering(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200b, 0x200f},
      {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe0fff}};
  return std::ranges::any_of(kRanges,
                             [c](auto range) { return range.first <= c && c <= range.second; });
}

}  // namespace

std::string bytes_text(uint64_t nbytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = double(nbytes);
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(kUnits); ++unit) amount /= 1024;
  return unit == 0 ? fmt::format("{} B", nbytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string count_text(double count) {
  const std::string digits = fmt::format("{:.0f}", count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string number_text(double number) { return fmt::format("{:.4g}", number); }

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

std::string quantity_text(uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", count_text(double(n)), noun, n == 1 ? "" : "s");
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const CodePoint first = first_code_point(text);
    if (first.nbytes == 0) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (is_steering(first.value)) {
      const auto value = uint32_t(first.value);
      shown += value < 0x80 ? fmt::format("\\x{:02x}", value) : fmt::format("\\u{:04x}", value);
    } else {
      shown += text.substr(0, first.nbytes);
    }
    text.remove_prefix(std::max<size_t>(first.nbytes, 1));
  }
  return shown;
}

void Table::print() const {
  if (rows_.empty()) return;
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, i < row.size() ? width_of(row[i]) : 0);
    widths.push_back(width);
  }
  const auto print_row = [&](auto cell_of) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string_view cell = cell_of(i);
      const std::string padding(widths[i] - width_of(cell), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].is_number ? padding : "";
      line += cell;
      line += columns_[i].is_number ? "" : padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  print_row([&](size_t i) -> std::string_view { return columns_[i].title; });
  for (const auto& row : rows_) {
    print_row([&](size_t i) { return i < row.size() ? std::string_view(row[i]) : ""; });
  }
}

}  // namespace tarn::cli
