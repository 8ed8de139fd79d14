#include "cli/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

namespace tarn::cli {

namespace {

// Code points, which is how wide nearly all names are.
size_t width_of(std::string_view text) {
  return size_t(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
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
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      shown += fmt::format("\\x{:02x}", c);
    } else {
      shown += c;
    }
  }
  return shown;
}

void Table::print() const {
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
