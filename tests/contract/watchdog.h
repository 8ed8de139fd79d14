// Ends the process with a message when a piece of work does not end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace tarn::contract {

class Watchdog {
 public:
  // Far beyond what any test takes on a loaded machine under a sanitizer.
  static constexpr std::chrono::seconds kLimit{240};

  explicit Watchdog(std::string what, std::chrono::seconds limit = kLimit);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace tarn::contract
