// How benchmarks here measure and report: warm medians of works that take turns, and a table of
// what they were to reach.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace tarn::bench {

using Work = std::function<void()>;

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline double seconds_of(const Work& work) {
  const double start = now();
  work();
  return now() - start;
}

// The same with all threads awake: on a machine that saves power, those that slept since the last
// work may join in only after milliseconds. Long work is done once.
inline double seconds_when_awake(const Work& work) {
  constexpr double kAwake = 0.01, kLong = 0.1;
  double spent = 0, last = 0;
  while (spent < kAwake) spent += last = seconds_of(work);
  return last < kLong ? seconds_of(work) : last;
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Timing {
  double cold;  // seconds of the first call
  double warm;  // median of the others
};

// The works take turns, so that whatever else the machine does meets all of them alike.
inline std::vector<Timing> measure(const std::vector<Work>& works, int rounds) {
  std::vector<Timing> timings;
  std::vector<std::vector<double>> seconds(works.size());
  for (const Work& work : works) timings.push_back({seconds_of(work), 0});
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < works.size(); ++i) seconds[i].push_back(seconds_of(works[i]));
  }
  for (size_t i = 0; i < works.size(); ++i) timings[i].warm = median(std::move(seconds[i]));
  return timings;
}

// A figure and what it is to be. `seconds` are those of one unit of work, `limit` those of the best
// that the machine does for it in the same run, 0 if nothing was measured beside it.
struct Figure {
  std::string name;
  double value;
  const char* unit;
  double target;
  bool is_at_most;  // else at least
  Timing seconds = {};
  double limit = 0;

  bool is_met() const { return is_at_most ? value <= target : value >= target; }
};

inline long peak_resident_bytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

}  // namespace tarn::bench
