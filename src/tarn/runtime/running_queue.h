// Which queues the calling thread is running: work inside of their tasks must not wait for them to
// come free.
#pragma once

#include <vector>

namespace tarn {

// Says so while it lives. On the stack of the thread, one inside of the other.
class RunningQueue {
 public:
  explicit RunningQueue(const void* queue) noexcept;
  ~RunningQueue();
  RunningQueue(const RunningQueue&) = delete;
  RunningQueue& operator=(const RunningQueue&) = delete;

  // The innermost first.
  static std::vector<const void*> all();
  static bool is(const void* queue) noexcept;
  static bool any() noexcept;

 private:
  static thread_local const RunningQueue* innermost_;
  const void* const queue_;
  const RunningQueue* const outer_;
};

}  // namespace tarn
