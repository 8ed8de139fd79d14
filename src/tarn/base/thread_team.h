// Threads that help whoever runs a loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <new>
#include <system_error>
#include <type_traits>

#include "tarn/base/sync.h"

namespace tarn {

// Thread-safe. Threads are made when a loop wants more than there are, and kept for the next. One
// that cannot be made is done without: its share is the others'. Loops beyond kPlaces at a time go
// without help. See Note [Places].
template <class Sync, int kPlaces = 16>
class BasicThreadTeam {
 public:
  // Each thread begins with prepare().
  explicit BasicThreadTeam(void (*prepare)() noexcept = []() noexcept {}) : prepare_(prepare) {}
  BasicThreadTeam(const BasicThreadTeam&) = delete;
  BasicThreadTeam& operator=(const BasicThreadTeam&) = delete;

  // Waits for the threads to end. Requires: no loop runs.
  ~BasicThreadTeam() {
    Lock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    while (n_threads_ != 0) ended_.wait(lock);
  }

  // Calls call(0), and, on each of up to n - 1 threads, call(i), where i is 1 or more and always
  // the same for the same thread, which may find in its caches what it had in the loop before. No
  // thread comes any more when a call has returned, since that has seen the end of the work.
  // Returns when all calls have. A thread is made only where all loops together have fewer than
  // `most_threads`.
  template <class Call>
  requires std::is_nothrow_invocable_v<const Call&, int>
  void run(int n, int most_threads, const Call& call) noexcept {
    Place* const place = n < 2 ? nullptr : take_place();
    if (place == nullptr) return call(0);
    place->body = &call;
    place->call = [](const void* body, int i) noexcept { (*static_cast<const Call*>(body))(i); };
    allow(most_threads);
    place->state.fetch_add((n - 1) * kWanted);
    recruit();
    call(0);
    close(*place);
    wait_until_alone(*place);
    place->state.store(0);
  }

  // About how many threads look for a loop, and so would come at once.
  int n_awake() const noexcept { return n_looking_.load(std::memory_order_relaxed); }

  // Held across fork(), so that the child does not inherit it locked by a thread that it does not
  // have.
  typename Sync::mutex& fork_mutex() noexcept { return mutex_; }

 private:
  using Lock = std::unique_lock<typename Sync::mutex>;
  template <class T>
  using Atomic = typename Sync::template atomic<T>;
  template <class T>
  using Plain = typename Sync::template plain<T>;

  // Note [Places]
  // ~~~~~~~~~~~~~
  // A loop is at a place of the team, which is there whether the loop still runs or not: so threads
  // come and go by one change of the place's state and need no lock, which many threads of short
  // loops would queue for. The state counts those that are inside, of which one is whoever runs the
  // loop, and, times kWanted, those that may still come. 0: no loop is here.
  //
  // Only sleep takes the lock, and two pairs of threads must not miss each other:
  // - who wants threads changes the state and then counts those that look for a loop; who is about
  //   to sleep, or has found a loop, does not count any more and then looks at all states;
  // - the last helper changes the state and then counts those that wait; who waits is counted and
  //   then looks at the state.
  // The order in both needs sequential consistency.
  struct alignas(64) Place {
    Atomic<int64_t> state{0};
    Plain<const void*> body{nullptr};
    Plain<void (*)(const void* body, int i) noexcept> call{nullptr};
  };
  static constexpr int64_t kWanted = int64_t{1} << 32;
  static constexpr int64_t kAlone = 1;

  Place* take_place() noexcept {
    for (Place& place : places_) {
      int64_t state = place.state.load(std::memory_order_relaxed);
      if (state == 0 && place.state.compare_exchange_strong(state, kAlone)) return &place;
    }
    return nullptr;
  }

  void allow(int most_threads) noexcept {
    if (most_threads <= most_threads_.load()) return;
    const Lock lock(mutex_);
    most_threads_.store(std::max(most_threads_.load(), most_threads));
    can_recruit_.store(true);
  }

  void close(Place& place) noexcept { place.state.fetch_and(kWanted - 1); }

  void wait_until_alone(const Place& place) noexcept {
    const auto is_alone = [&] { return place.state.load() == kAlone; };
    if (Sync::spin(is_alone)) return;
    Lock lock(mutex_);
    n_waiting_.fetch_add(1);
    while (!is_alone()) ended_.wait(lock);
    n_waiting_.fetch_sub(1);
  }

  int64_t n_wanted() const noexcept {
    int64_t n = 0;
    for (const Place& place : places_) n += place.state.load() / kWanted;
    return n;
  }

  void work(int number) noexcept {
    // One loop often follows another: about as long as waking a thread would take.
    constexpr int kSpins = 3200;
    const auto help_any = [&] {
      return std::any_of(std::begin(places_), std::end(places_),
                         [&](Place& place) { return help(place, number); });
    };
    while (Sync::spin(help_any, kSpins) || sleep()) {
    }
  }

  // Does nothing and returns false where no thread is wanted.
  bool help(Place& place, int number) noexcept {
    int64_t state = place.state.load(std::memory_order_relaxed);
    do {
      if (state < kWanted) return false;
    } while (!place.state.compare_exchange_weak(state, state - kWanted + 1));
    n_looking_.fetch_sub(1);
    recruit();
    place.call(place.body, number);
    n_looking_.fetch_add(1);
    if (place.state.load(std::memory_order_relaxed) >= kWanted) close(place);
    if (place.state.fetch_sub(1) == kAlone + 1 && n_waiting_.load() > 0) {
      const Lock lock(mutex_);
      ended_.notify_all();
    }
    return true;
  }

  // Until a loop wants the thread. Returns false if there will be none.
  bool sleep() noexcept {
    Lock lock(mutex_);
    n_looking_.fetch_sub(1);
    can_recruit_.store(true);
    if (n_wanted() > 0) {
      n_looking_.fetch_add(1);
      return true;
    }
    ++n_asleep_;
    while (n_woken_ == 0 && !stopping_) work_.wait(lock);
    if (stopping_) {
      if (--n_threads_ == 0) ended_.notify_all();
      return false;
    }
    --n_woken_;
    return true;
  }

  // Sends up to two threads to where they are wanted. They do the same: so many are awake after few
  // steps.
  void recruit() noexcept {
    const auto is_short = [&] { return n_looking_.load() < n_wanted(); };
    if (!is_short() || !can_recruit_.load()) return;
    int n_to_wake = 0;
    {
      const Lock lock(mutex_);
      for (int i = 0; i < 2 && is_short(); ++i) {
        if (n_asleep_ > 0) {
          --n_asleep_;
          ++n_woken_;
          ++n_to_wake;
        } else if (n_threads_ >= most_threads_ || !start_thread()) {
          break;
        }
        n_looking_.fetch_add(1);
      }
      can_recruit_.store(n_asleep_ > 0 || n_threads_ < most_threads_);
    }
    // Without the lock, which they would wait for.
    for (int i = 0; i < n_to_wake; ++i) work_.notify_one();
  }

  // Requires: mutex_ is held.
  bool start_thread() noexcept {
    try {
      typename Sync::thread([this, number = n_threads_ + 1] {
        prepare_();
        work(number);
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
  Place places_[kPlaces];
  Atomic<int> n_looking_{0};  // threads that are about to look at all places
  Atomic<int> n_waiting_{0};  // for the last helper of a loop
  // Both changed under mutex_.
  Atomic<bool> can_recruit_{true};  // false only if all threads are made and awake
  Atomic<int> most_threads_{0};     // that a loop has allowed
  typename Sync::mutex mutex_;
  typename Sync::condition_variable work_;
  typename Sync::condition_variable ended_;  // all helpers of a loop, or all threads
  // All below guarded by mutex_.
  int n_threads_ = 0;
  int n_asleep_ = 0;  // and nobody has sent for them
  int n_woken_ = 0;   // sent for, and not awake yet; counted as looking
  bool stopping_ = false;
};

using ThreadTeam = BasicThreadTeam<StdSync>;

}  // namespace tarn
