// The sync policy: what the runtime's core, and the threads of loops, know of threads and time.
// They are templates over it, so that the same code runs on the standard library here and under the
// model checker in tests/model.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tarn {

class RunningQueue;

struct StdSync {
  using mutex = std::mutex;
  using condition_variable = std::condition_variable;
  template <class T>
  using atomic = std::atomic<T>;
  using thread = std::thread;
  using clock = std::chrono::steady_clock;
  using running_queue = RunningQueue;
  // A field that one thread at a time may touch; the model's version checks that.
  template <class T>
  using plain = T;

  // Waits for `done`, by default a few microseconds, since a sleeping thread takes 10 to 50 times
  // longer to wake than most small operations take. Returns whether it came true.
  template <class Predicate>
  static bool spin(Predicate done, int n_spins = 200) {
    for (int i = 0; i < n_spins; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    return false;
  }
};

}  // namespace tarn
