#include "tarn/runtime/deadline_timer.h"

#include <utility>

namespace tarn {

void DeadlineTimer::schedule(TimePoint deadline, const std::shared_ptr<Expirable>& target) {
  {
    std::lock_guard lock(mutex_);
    entries_.emplace(deadline, Entry{target.get(), target});
    changed_.notify_one();
    if (std::exchange(running_, true)) return;
  }
  if (!pool_.submit(*this)) no_thread();
}

void DeadlineTimer::forget(const Expirable* target) noexcept {
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [target](const auto& entry) { return entry.second.key == target; });
  changed_.notify_one();
}

void DeadlineTimer::run() noexcept {
  ThreadOwner::Sleep sleep;  // nothing that is queued may count on this thread
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

void DeadlineTimer::no_thread() noexcept {
  std::multimap<TimePoint, Entry> unwatched;
  {
    std::lock_guard lock(mutex_);
    unwatched.swap(entries_);
    running_ = false;
  }
  for (auto& [deadline, entry] : unwatched) {
    if (auto alive = entry.target.lock()) alive->cannot_expire();
  }
}

}  // namespace tarn
