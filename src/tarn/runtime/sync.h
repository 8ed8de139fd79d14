// The sync policy: what the runtime's core knows of threads and time. The core is templates over
// it, so that the same code runs on the standard library here and under the model checker in
// tests/model.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "tarn/runtime/running_queue.h"

namespace tarn {

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

  // Waits a few microseconds for `done`, since a sleeping thread takes 10 to 50 times longer to
  // wake than most small operations take. Returns whether it came true.
  template <class Predicate>
  static bool spin(Predicate done) {
    constexpr int kSpins = 200;
    for (int i = 0; i < kSpins; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      _mm_pause();
#endif
    }
    return false;
  }
};

// Where threads sleep for, and callbacks are attached to, the outcomes that hash to it. One lock
// serves many outcomes, so that an outcome costs two words and waiting allocates nothing.
template <class Sync>
struct WaitBucket {
  typename Sync::mutex mutex;
  typename Sync::condition_variable settled;
};

// The bucket of an address. Specialised for each policy; buckets outlive all outcomes.
template <class Sync>
WaitBucket<Sync>& wait_bucket(const void* outcome) noexcept;

template <>
WaitBucket<StdSync>& wait_bucket<StdSync>(const void* outcome) noexcept;

}  // namespace tarn
