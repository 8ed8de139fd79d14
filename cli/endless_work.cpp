#include "cli/endless_work.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace tarn::cli {

namespace {

std::atomic<bool> has_left{false};

struct Completion {
  std::mutex mutex;  // guards is_done
  std::condition_variable_any changed;
  bool is_done = false;
};

}  // namespace

bool finish_or_leave(const RunOptions& options, std::function<void()> work) {
  const auto completion = std::make_shared<Completion>();
  std::thread([completion, work = std::move(work)] {
    work();
    const std::lock_guard lock(completion->mutex);
    completion->is_done = true;
    completion->changed.notify_all();
  }).detach();
  std::unique_lock lock(completion->mutex);
  const auto is_done = [&] { return completion->is_done; };
  if (options.deadline) {
    completion->changed.wait_until(lock, options.stop, *options.deadline, is_done);
  } else {
    completion->changed.wait(lock, options.stop, is_done);
  }
  if (!completion->is_done) has_left = true;
  return completion->is_done;
}

bool has_left_work() { return has_left; }

}  // namespace tarn::cli
