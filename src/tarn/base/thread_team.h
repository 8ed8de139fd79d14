// Threads that help whoever runs a loop.
#pragma once

#include <algorithm>
#include <mutex>
#include <new>
#include <system_error>
#include <type_traits>

#include "tarn/base/sync.h"

namespace tarn {

// Thread-safe. Threads are made when a loop wants more than there are, and kept for the next. One
// that cannot be made is done without: its share is the others'.
template <class Sync>
class BasicThreadTeam {
 public:
  // Each thread begins with prepare().
  explicit BasicThreadTeam(void (*prepare)() noexcept = []() noexcept {}) : prepare_(prepare) {}
  BasicThreadTeam(const BasicThreadTeam&) = delete;
  BasicThreadTeam& operator=(const BasicThreadTeam&) = delete;

  // Waits for the threads to end. Requires: no loop runs.
  ~BasicThreadTeam() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    while (n_threads_ != 0) ended_.wait(lock);
  }

  // Calls call(0), and, on each thread that comes while that runs, one of call(1) to call(n - 1).
  // Returns when all calls have. A thread is made only where all loops together have fewer than
  // `most_threads`.
  template <class Call>
  requires std::is_nothrow_invocable_v<const Call&, int>
  void run(int n, int most_threads, const Call& call) noexcept {
    if (n < 2) return call(0);
    Loop loop;
    loop.body = &call;
    loop.call = [](const void* body, int i) noexcept { (*static_cast<const Call*>(body))(i); };
    loop.n_wanted = n - 1;
    post(loop, most_threads);
    call(0);
    withdraw(loop);
  }

  // Held across fork(), so that the child does not inherit it locked by a thread that it does not
  // have.
  typename Sync::mutex& fork_mutex() noexcept { return mutex_; }

 private:
  using Lock = std::unique_lock<typename Sync::mutex>;
  using Count = typename Sync::template atomic<int>;

  // On the stack of the thread that runs it, which waits for those that help.
  struct Loop {
    const void* body;
    void (*call)(const void* body, int i) noexcept;
    // Written under mutex_.
    int n_wanted;  // threads that may still come
    int n_helped = 0;
    Count n_helping{0};
    Loop* next = nullptr;
  };

  void post(Loop& loop, int most_threads) noexcept {
    const std::lock_guard lock(mutex_);
    Loop** end = &loops_;
    while (*end != nullptr) end = &(*end)->next;
    *end = &loop;
    most_threads_ = std::max(most_threads_, most_threads);
    n_wanted_.fetch_add(loop.n_wanted, std::memory_order_relaxed);
    recruit();
  }

  // The last helper lets go of the loop with the lock: so the lock is taken again, whatever was
  // seen without it.
  void withdraw(Loop& loop) noexcept {
    const auto all_have_ended = [&] { return loop.n_helping.load(std::memory_order_acquire) == 0; };
    Lock lock(mutex_);
    if (loop.n_wanted > 0) {
      n_wanted_.fetch_sub(loop.n_wanted, std::memory_order_relaxed);
      Loop** link = &loops_;
      while (*link != &loop) link = &(*link)->next;
      *link = loop.next;
    }
    if (all_have_ended()) return;
    lock.unlock();
    Sync::spin(all_have_ended);
    lock.lock();
    while (!all_have_ended()) ended_.wait(lock);
  }

  void work() noexcept {
    Lock lock(mutex_);
    while (!stopping_) {
      if (loops_ != nullptr) {
        help(*loops_, lock);
      } else if (!look_for_work(lock)) {
        sleep(lock);
      }
    }
    if (--n_threads_ == 0) ended_.notify_all();
  }

  void help(Loop& loop, Lock& lock) noexcept {
    const int i = ++loop.n_helped;
    loop.n_helping.fetch_add(1, std::memory_order_relaxed);
    n_wanted_.fetch_sub(1, std::memory_order_relaxed);
    if (--loop.n_wanted == 0) loops_ = loop.next;
    --n_looking_;
    recruit();
    lock.unlock();
    loop.call(loop.body, i);
    lock.lock();
    ++n_looking_;
    if (loop.n_helping.fetch_sub(1, std::memory_order_release) == 1) ended_.notify_all();
  }

  bool look_for_work(Lock& lock) noexcept {
    // One loop often follows another: about as long as waking a thread would take.
    constexpr int kSpins = 3200;
    lock.unlock();
    Sync::spin([&] { return n_wanted_.load(std::memory_order_relaxed) > 0; }, kSpins);
    lock.lock();
    return loops_ != nullptr;
  }

  void sleep(Lock& lock) noexcept {
    --n_looking_;
    ++n_asleep_;
    while (n_woken_ == 0 && !stopping_) work_.wait(lock);
    --n_woken_;
  }

  // Sends up to two threads to where they are wanted. They do the same: so many are awake after few
  // steps. Requires: mutex_ is held.
  void recruit() noexcept {
    for (int i = 0; i < 2; ++i) {
      if (n_looking_ >= n_wanted_.load(std::memory_order_relaxed)) return;
      if (n_asleep_ > 0) {
        --n_asleep_;
        ++n_woken_;
        work_.notify_one();
      } else if (n_threads_ >= most_threads_ || !start_thread()) {
        return;
      }
      ++n_looking_;
    }
  }

  // Requires: mutex_ is held.
  bool start_thread() noexcept {
    try {
      typename Sync::thread([this] {
        prepare_();
        work();
      }).detach();
    } catch (const std::system_error&) {
      return false;
    } catch (const std::bad_alloc&) {
      return false;
    }
    ++n_threads_;
    return true;
  }

  void (*const prepare_)() noexcept;
  typename Sync::mutex mutex_;
  typename Sync::condition_variable work_;
  typename Sync::condition_variable ended_;  // all helpers of a loop, or all threads
  // All below guarded by mutex_; n_wanted_ may be read without.
  Loop* loops_ = nullptr;  // that want threads, in order
  Count n_wanted_{0};      // by all loops
  int most_threads_ = 0;   // that a loop has allowed
  int n_threads_ = 0;
  int n_looking_ = 0;  // of these, about to look for a loop
  int n_asleep_ = 0;   // and nobody has sent for them
  int n_woken_ = 0;    // sent for, and not awake yet; counted as looking
  bool stopping_ = false;
};

using ThreadTeam = BasicThreadTeam<StdSync>;

}  // namespace tarn
