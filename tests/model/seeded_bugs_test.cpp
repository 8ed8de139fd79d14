// Small programs with a known concurrency bug each, beside their repaired twin: the checker must
// find the bug, replay it, and prove the twin.
#include <gtest/gtest.h>

#include <cstdio>
#include <mutex>
#include <string>

#include "checker.h"
#include "model_sync.h"

namespace tarn::model {
namespace {

enum class Version { broken, repaired };

// The waiter looks at the flag, lets the lock go, and sleeps on what it saw.
template <Version kVersion>
void lost_wake_up() {
  Mutex mutex;
  ConditionVariable changed;
  Plain<bool> ready{false};
  Thread waiter([&] {
    std::unique_lock lock(mutex);
    if (ready) return;
    if (kVersion == Version::broken) {
      lock.unlock();
      lock.lock();
    }
    changed.wait(lock);
  });
  {
    std::lock_guard lock(mutex);
    ready = true;
  }
  changed.notify_one();
  waiter.join();
}

template <Version kVersion>
void missing_notify() {
  Mutex mutex;
  ConditionVariable changed;
  Plain<int> n_tasks{0};
  auto take = [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return n_tasks > 0; });
    --n_tasks;
  };
  Thread first(take), second(take);
  {
    std::lock_guard lock(mutex);
    n_tasks = 2;
  }
  if (kVersion == Version::broken) {
    changed.notify_one();  // for two tasks
  } else {
    changed.notify_all();
  }
  first.join();
  second.join();
}

template <Version kVersion>
void opposite_lock_order() {
  Mutex a, b;
  Thread other([&] {
    std::lock_guard outer(kVersion == Version::broken ? b : a);
    std::lock_guard inner(kVersion == Version::broken ? a : b);
  });
  {
    std::lock_guard outer(a);
    std::lock_guard inner(b);
  }
  other.join();
}

// "The first error wins" by looking before setting.
template <Version kVersion>
void first_error() {
  Atomic<int> error{0};
  Atomic<int> n_winners{0};
  auto report = [&](int mine) {
    int none = 0;
    if (kVersion == Version::repaired) {
      if (!error.compare_exchange_strong(none, mine)) return;
    } else {
      if (error.load() != 0) return;
      error.store(mine);
    }
    n_winners.fetch_add(1);
  };
  Thread one([&] { report(1); }), two([&] { report(2); });
  one.join();
  two.join();
  check(n_winners.load() == 1, "two first errors");
}

template <Version kVersion>
void unlocked_counter() {
  Mutex mutex;
  Plain<int> n{0};
  auto count = [&] {
    std::unique_lock lock(mutex);
    if (kVersion == Version::broken) lock.unlock();
    ++n;
  };
  Thread other(count);
  count();
  other.join();
}

// The value is ready before the flag says so, but the flag does not say it to other cores.
template <Version kVersion>
void relaxed_publication() {
  Plain<int> value{0};
  Atomic<bool> ready{false};
  Thread producer([&] {
    value = 7;
    ready.store(
        true, kVersion == Version::broken ? std::memory_order_relaxed : std::memory_order_release);
  });
  if (ready.load(std::memory_order_acquire)) check(value == 7, "stale value");
  producer.join();
}

// Who drops the last reference frees the object. Counted in two steps nobody may be last.
template <Version kVersion>
void leaked_by_last_owner() {
  Atomic<int> n_owners{2};
  auto* object = new Tracked;
  auto drop = [&] {
    if (kVersion == Version::broken) {
      int left = n_owners.load() - 1;
      n_owners.store(left);
      if (n_owners.load() == 0 && left == 0) delete object;
    } else {
      if (n_owners.fetch_sub(1) == 1) delete object;
    }
  };
  Thread other(drop);
  drop();
  other.join();
}

// A waiter that times out leaves; the signal that comes at that moment must not be lost with it.
template <Version kVersion>
void time_out_against_signal() {
  Mutex mutex;
  ConditionVariable changed;
  Plain<bool> done{false};
  Thread worker([&] {
    std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  {
    std::unique_lock lock(mutex);
    auto deadline = Clock::now() + std::chrono::seconds(1);
    bool timed_out = false;
    while (!done && !timed_out) {
      timed_out = changed.wait_until(lock, deadline) == std::cv_status::timeout;
    }
    bool reported_done = kVersion == Version::broken ? !timed_out : done.get();
    check(reported_done == done, "reported as timed out though it was done");
  }
  worker.join();
}

// The waiter destroys what the signaller still uses.
template <Version kVersion>
void used_after_destruction() {
  struct Event {
    Mutex mutex;
    ConditionVariable changed;
    Plain<bool> is_set{false};
  };
  auto* event = new Event;
  Thread signaller([event] {
    std::unique_lock lock(event->mutex);
    event->is_set = true;
    if (kVersion == Version::broken) lock.unlock();
    event->changed.notify_all();
  });
  {
    std::unique_lock lock(event->mutex);
    event->changed.wait(lock, [event] { return event->is_set.get(); });
  }
  if (kVersion == Version::repaired) signaller.join();
  delete event;
  if (kVersion == Version::broken) signaller.join();
}

// A noexcept boundary that something gets through.
template <Version kVersion>
void throwing_through_noexcept() {
  Atomic<bool> cancelled{false};
  auto stop_if_cancelled = [&] {
    if (cancelled.load()) throw 42;
  };
  Thread task([&]() noexcept {
    try {
      stop_if_cancelled();
    } catch (const std::exception&) {
    } catch (...) {
      if (kVersion == Version::broken) stop_if_cancelled();
    }
  });
  cancelled.store(true);
  task.join();
}

struct SeededBug {
  const char* name;
  const char* message;  // what the failure starts with
  void (*broken)();
  void (*repaired)();
};

#define TARN_SEEDED_BUG(f, message) \
  SeededBug { #f, message, &f < Version::broken>, &f < Version::repaired> }
const SeededBug kSeededBugs[] = {
    TARN_SEEDED_BUG(lost_wake_up, "deadlock: thread 0 joins thread 1; thread 1 sleeps"),
    TARN_SEEDED_BUG(missing_notify, "deadlock: thread 0 joins thread"),
    TARN_SEEDED_BUG(opposite_lock_order, "deadlock: thread 0 locks mutex"),
    TARN_SEEDED_BUG(first_error, "two first errors"),
    TARN_SEEDED_BUG(unlocked_counter, "data race: thread"),
    TARN_SEEDED_BUG(relaxed_publication, "data race: thread 0 reads what thread 1 wrote"),
    TARN_SEEDED_BUG(leaked_by_last_owner, "leak: 1 × tracked object"),
    TARN_SEEDED_BUG(time_out_against_signal, "reported as timed out"),
    TARN_SEEDED_BUG(used_after_destruction, "thread 1 notifies condition variable"),
    TARN_SEEDED_BUG(throwing_through_noexcept, "std::terminate was called"),
};
#undef TARN_SEEDED_BUG

class SeededBugs : public testing::TestWithParam<SeededBug> {};

TEST_P(SeededBugs, DporFindsAndReplaysIt) {
  const SeededBug& bug = GetParam();
  Result result = explore(dpor(), bug.broken);
  std::printf("%s: %s\n", bug.name, result.failure.c_str());
  EXPECT_EQ(result.message.rfind(bug.message, 0), 0u) << result.failure;
  for (int i = 0; i < 2; ++i) {
    Result again = replay(result.schedule, bug.broken);
    EXPECT_EQ(again.message, result.message);
    EXPECT_EQ(again.schedule, result.schedule);
    EXPECT_NE(again.trace, "");
  }
}

TEST_P(SeededBugs, TheOtherSearchesFindIt) {
  const SeededBug& bug = GetParam();
  constexpr int kExecutions = 20'000;
  for (const Options& options : {bounded(2), pct(3, kExecutions), random_walk(kExecutions)}) {
    Result result = explore(options, bug.broken);
    EXPECT_NE(result.failure, "") << result.summary();
    EXPECT_EQ(replay(result.schedule, bug.broken).message, result.message);
  }
}

TEST_P(SeededBugs, TheRepairedTwinPasses) {
  const SeededBug& bug = GetParam();
  Result result = explore(dpor(), bug.repaired);
  std::printf("%s: %s\n", bug.name, result.summary().c_str());
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

INSTANTIATE_TEST_SUITE_P(All, SeededBugs, testing::ValuesIn(kSeededBugs),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tarn::model
