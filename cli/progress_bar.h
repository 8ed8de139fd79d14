// How far a long command has come, on a terminal; nothing elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tarn::cli {

// Used by one thread at a time.
class ProgressBar {
 public:
  // On standard error, if that is a terminal.
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(uint64_t nbytes_done, uint64_t nbytes_total, bool is_stalled = false);
  // Removes it; what is shown after that is not seen.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  const std::string what_;
  bool is_shown_;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace tarn::cli
