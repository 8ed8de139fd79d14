// The decisions that make an execution what it is, and their text form.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tarn::model {

// Grammar of the text: decision (' ' decision)*; decision = thread ['*' repeat] | '?' value.
struct Decision {
  bool is_choice = false;  // a data choice; else which thread ran
  int16_t value = 0;

  friend bool operator==(Decision, Decision) = default;
};

using Schedule = std::vector<Decision>;

std::string to_string(const Schedule& schedule);
// Throws std::invalid_argument when `text` is not a schedule.
Schedule parse_schedule(const std::string& text);

}  // namespace tarn::model
