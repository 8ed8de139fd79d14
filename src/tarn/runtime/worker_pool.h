// Threads for streams to borrow. A blocked operation holds its thread, so the pool grows when all
// threads are taken and shrinks when they idle.
#pragma once

#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include "tarn/base/sync.h"
#include "tarn/runtime/thread_owner.h"

namespace tarn {

template <class Sync>
struct BasicRunnable {
  virtual void run() noexcept = 0;
  // Instead of run, when a thread was promised and there is none after all.
  virtual void no_thread() noexcept = 0;

  BasicRunnable* next_runnable = nullptr;  // guarded by the pool it was submitted to

 protected:
  ~BasicRunnable() = default;
};

// Thread-safe. Owns its threads; a runnable belongs to whoever submits it and may be gone once it
// has run.
template <class Sync>
class BasicWorkerPool final : BasicThreadOwner<Sync> {
 public:
  using Runnable = BasicRunnable<Sync>;
  using Duration = typename Sync::clock::duration;

  // A thread without work for `idle_timeout` ends; without a time-out it stays.
  explicit BasicWorkerPool(std::optional<Duration> idle_timeout) : idle_timeout_(idle_timeout) {}
  BasicWorkerPool(const BasicWorkerPool&) = delete;
  BasicWorkerPool& operator=(const BasicWorkerPool&) = delete;

  // Waits for what was submitted, and for the threads to end.
  ~BasicWorkerPool() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    while (n_threads_ != 0) ended_.wait(lock);
  }

  // Runs `runnable` once on some thread of the pool. Returns false, and forgets it, when there is
  // no thread that is awake and none can be started.
  bool submit(Runnable& runnable) noexcept {
    std::unique_lock lock(mutex_);
    push(runnable);
    if (n_queued_ <= n_idle_) {
      work_.notify_one();
      return true;
    }
    // Threads that are busy now will come back for it. With none left it would wait for ever.
    return start_thread() || !all_asleep() || !remove(runnable);
  }

  int n_threads() const {
    std::lock_guard lock(mutex_);
    return n_threads_;
  }

  // Held across fork(), so that the child does not inherit it locked by a thread that it does not
  // have.
  typename Sync::mutex& fork_mutex() noexcept { return mutex_; }

 private:
  // Requires: mutex_ is held, so that nobody counts on a thread that will not be.
  bool start_thread() noexcept {
    ++n_threads_;
    try {
      typename Sync::thread([this] { work(); }).detach();
      return true;
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
    --n_threads_;
    return false;
  }

  // Requires: mutex_ is held.
  bool all_asleep() const noexcept { return n_asleep_ >= n_threads_; }

  void falls_asleep() noexcept override {
    Runnable* stranded = nullptr;
    {
      std::lock_guard lock(mutex_);
      ++n_asleep_;
      if (head_ != nullptr && all_asleep() && !start_thread()) stranded = take_all();
    }
    while (stranded != nullptr) std::exchange(stranded, stranded->next_runnable)->no_thread();
  }
  void wakes_up() noexcept override {
    std::lock_guard lock(mutex_);
    --n_asleep_;
  }

  void work() noexcept {
    owner_of_this_thread<Sync>() = this;
    std::unique_lock lock(mutex_);
    for (;;) {
      if (Runnable* runnable = pop()) {
        lock.unlock();
        runnable->run();
        lock.lock();
      } else if (stopping_ || !wait_for_work(lock)) {
        break;
      }
    }
    if (--n_threads_ == 0) ended_.notify_all();
  }

  // Returns whether this thread should look for work again.
  bool wait_for_work(std::unique_lock<typename Sync::mutex>& lock) {
    ++n_idle_;
    bool timed_out = false;
    if (idle_timeout_) {
      timed_out = work_.wait_for(lock, *idle_timeout_) == std::cv_status::timeout;
    } else {
      work_.wait(lock);
    }
    --n_idle_;
    return !timed_out || head_ != nullptr;
  }

  void push(Runnable& runnable) noexcept {
    runnable.next_runnable = nullptr;
    *tail_ = &runnable;
    tail_ = &runnable.next_runnable;
    ++n_queued_;
  }

  Runnable* pop() noexcept {
    Runnable* first = head_;
    if (first != nullptr) unlink(&head_);
    return first;
  }

  Runnable* take_all() noexcept {
    n_queued_ = 0;
    tail_ = &head_;
    return std::exchange(head_, nullptr);
  }

  bool remove(Runnable& runnable) noexcept {
    for (Runnable** link = &head_; *link != nullptr; link = &(*link)->next_runnable) {
      if (*link == &runnable) {
        unlink(link);
        return true;
      }
    }
    return false;
  }

  void unlink(Runnable** link) noexcept {
    Runnable* removed = *link;
    *link = removed->next_runnable;
    if (tail_ == &removed->next_runnable) tail_ = link;
    --n_queued_;
  }

  const std::optional<Duration> idle_timeout_;
  mutable typename Sync::mutex mutex_;
  typename Sync::condition_variable work_;
  typename Sync::condition_variable ended_;
  // All below guarded by mutex_.
  Runnable* head_ = nullptr;
  Runnable** tail_ = &head_;
  int n_queued_ = 0;
  int n_idle_ = 0;     // asleep in wait_for_work, those already notified included
  int n_threads_ = 0;  // started or about to be
  int n_asleep_ = 0;   // of these, in the middle of a runnable until others have done something
  bool stopping_ = false;
};

using Runnable = BasicRunnable<StdSync>;
using WorkerPool = BasicWorkerPool<StdSync>;

}  // namespace tarn
