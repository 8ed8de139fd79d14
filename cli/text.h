// Words and tables for people.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::cli {

std::string bytes_text(uint64_t nbytes);  // "1.5 GiB"
std::string count_text(double count);     // "12,345"
std::string number_text(double number);   // four digits
std::string shape_text(std::span<const int64_t> shape);
// "1 tensor", "2 tensors"
std::string quantity_text(uint64_t n, std::string_view noun);

// Names come from files: what would steer the terminal, and what is not UTF-8, is shown as an
// escape.
std::string printable(std::string_view text);

// Columns as wide as their widest cell; those of numbers aligned to the right.
class Table {
 public:
  struct Column {
    std::string title;
    bool is_number = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Missing cells at the end are empty.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Nothing if there are no rows.
  void print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tarn::cli
