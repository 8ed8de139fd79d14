// Calls back when a deadline passes. Borrows one thread of the pool while any deadline is set.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "tarn/runtime/worker_pool.h"

namespace tarn {

// Thread-safe.
class DeadlineTimer final : BasicRunnable<StdSync> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Expirable {
    virtual void expire() noexcept = 0;
    // Instead of expire: there is no thread to wait for the deadline.
    virtual void cannot_expire() noexcept = 0;

   protected:
    ~Expirable() = default;
  };

  explicit DeadlineTimer(WorkerPool& pool) : pool_(pool) {}

  // Calls `target.expire()` at `deadline`, or cannot_expire() when no thread can be had, if it is
  // still alive then. Throws std::bad_alloc.
  void schedule(TimePoint deadline, const std::shared_ptr<Expirable>& target);
  // `target` is gone or needs no call any more.
  void forget(const Expirable* target) noexcept;

  std::mutex& fork_mutex() noexcept { return mutex_; }

 private:
  struct Entry {
    const Expirable* key;
    std::weak_ptr<Expirable> target;
  };

  void run() noexcept override;
  void no_thread() noexcept override;

  WorkerPool& pool_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<TimePoint, Entry> entries_;
  bool running_ = false;
};

}  // namespace tarn
