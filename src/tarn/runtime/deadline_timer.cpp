#include "tarn/runtime/deadline_timer.h"

#include <system_error>

namespace tarn {

void DeadlineTimer::schedule(TimePoint deadline, const std::shared_ptr<Expirable>& target) {
  std::unique_lock lock(mutex_);
  auto entry = entries_.emplace(deadline, Entry{target.get(), target});
  if (running_) {
    changed_.notify_one();
    return;
  }
  if (!pool_.submit(*this)) {
    entries_.erase(entry);
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "no thread to watch a deadline");
  }
  running_ = true;
}

void DeadlineTimer::forget(const Expirable* target) noexcept {
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [target](const auto& entry) { return entry.second.key == target; });
  changed_.notify_one();
}

void DeadlineTimer::run() noexcept {
  std::unique_lock lock(mutex_);
  while (!entries_.empty()) {
    auto earliest = entries_.begin();
    if (std::chrono::steady_clock::now() < earliest->first) {
      // By value: the entry may be forgotten while this thread sleeps.
      TimePoint until = earliest->first;
      changed_.wait_until(lock, until);
      continue;
    }
    std::weak_ptr<Expirable> target = std::move(earliest->second.target);
    entries_.erase(earliest);
    lock.unlock();
    if (auto alive = target.lock()) alive->expire();
    lock.lock();
  }
  running_ = false;
}

}  // namespace tarn
