// Makes stalls visible: somebody has to look at a reader that says nothing.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "tarn/io/progress.h"
#include "tarn/runtime/deadline_timer.h"
#include "tarn/runtime/worker_pool.h"

namespace tarn::io {

// Polls a file's trackers, on a worker thread, while something of the file is being read. Made with
// make_shared, shared by all who read the file. Thread-safe.
class StallWatch final : public DeadlineTimer::Expirable,
                         public std::enable_shared_from_this<StallWatch>,
                         private Runnable {
 public:
  explicit StallWatch(std::shared_ptr<FileProgress> file) : file_(std::move(file)) {}
  ~StallWatch();

  // Says, while it lives, that something is being read.
  class Reading {
   public:
    explicit Reading(StallWatch& watch) : watch_(watch) { watch_.begin(); }
    ~Reading() { watch_.end(); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    StallWatch& watch_;
  };

 private:
  void begin() noexcept;
  void end() noexcept;
  void expire() noexcept override;
  void cannot_expire() noexcept override { is_scheduled_ = false; }
  void run() noexcept override;
  void no_thread() noexcept override;
  void schedule() noexcept;

  const std::shared_ptr<FileProgress> file_;
  std::atomic<bool> is_scheduled_ = false;
  std::mutex mutex_;  // guards what follows
  int n_reading_ = 0;
  std::shared_ptr<StallWatch> self_;  // while a worker thread is about to poll
};

}  // namespace tarn::io
