// What all commands that read checkpoints take.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tarn/base/failure.h"

namespace tarn::cli {

struct RunOptions {
  std::vector<std::string> paths;
  std::vector<std::string> globs;  // of tensor names; none selects all
  bool json = false;
  int n_threads = 0;  // 0: as many as the process may run on
  std::optional<uint64_t> memory_limit;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;

  size_t n_workers() const;
  // Whether the run is to end now, and why: cancelled or deadline.
  std::optional<FailureKind> ended_by() const;
};
const char* ended_text(FailureKind ended_by);
bool is_end_of_run(FailureKind kind);

// How a run of the tool ends.
enum ExitStatus : int { kAllWell = 0, kSomethingFailed = 1, kUsageError = 2 };

// "512MiB", "2G", "1000": KB, MB … are powers of 1000; K, KiB, M … of 1024. Throws
// std::invalid_argument.
uint64_t parse_nbytes(const std::string& text);
// "30s", "500ms", "2m", "1h", "10". Throws std::invalid_argument.
std::chrono::milliseconds parse_duration(const std::string& text);

}  // namespace tarn::cli
