#include "tarn/runtime/running_queue.h"

namespace tarn {

constinit thread_local const RunningQueue* RunningQueue::innermost_ = nullptr;

RunningQueue::RunningQueue(const void* queue) noexcept : queue_(queue), outer_(innermost_) {
  innermost_ = this;
}

RunningQueue::~RunningQueue() { innermost_ = outer_; }

std::vector<const void*> RunningQueue::all() {
  std::vector<const void*> queues;
  for (const RunningQueue* running = innermost_; running != nullptr; running = running->outer_) {
    queues.push_back(running->queue_);
  }
  return queues;
}

bool RunningQueue::is(const void* queue) noexcept {
  const RunningQueue* running = innermost_;
  while (running != nullptr && running->queue_ != queue) running = running->outer_;
  return running != nullptr;
}

bool RunningQueue::any() noexcept { return innermost_ != nullptr; }

}  // namespace tarn
