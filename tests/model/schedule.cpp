#include "schedule.h"

#include <charconv>
#include <stdexcept>

#include "operation.h"

namespace tarn::model {

namespace {

constexpr int kMaxRepeat = 60'000;

class Parser {
 public:
  explicit Parser(const std::string& text)
      : text_(text), next_(text.data()), end_(text.data() + text.size()) {}

  Schedule parse() {
    Schedule schedule;
    while (skip(' '), next_ != end_) {
      bool is_choice = skip('?');
      int16_t value = static_cast<int16_t>(number(is_choice ? INT16_MAX : kMaxThreads - 1));
      int repeat = !is_choice && skip('*') ? number(kMaxRepeat) : 1;
      schedule.insert(schedule.end(), static_cast<size_t>(repeat), Decision{is_choice, value});
    }
    return schedule;
  }

 private:
  bool skip(char c) {
    if (next_ == end_ || *next_ != c) return false;
    ++next_;
    return true;
  }

  int number(int max) {
    int value = 0;
    auto [rest, error] = std::from_chars(next_, end_, value);
    if (error != std::errc{} || value < 0 || value > max) {
      throw std::invalid_argument("[replay] not a schedule: \"" + text_ + "\"");
    }
    next_ = rest;
    return value;
  }

  const std::string& text_;
  const char* next_;
  const char* end_;
};

}  // namespace

std::string to_string(const Schedule& schedule) {
  std::string text;
  for (size_t i = 0; i < schedule.size();) {
    size_t run = i + 1;
    if (!schedule[i].is_choice) {
      while (run < schedule.size() && schedule[run] == schedule[i]) ++run;
    }
    if (!text.empty()) text += ' ';
    if (schedule[i].is_choice) text += '?';
    text += std::to_string(schedule[i].value);
    if (run > i + 1) text += '*' + std::to_string(run - i);
    i = run;
  }
  return text;
}

Schedule parse_schedule(const std::string& text) { return Parser(text).parse(); }

}  // namespace tarn::model
