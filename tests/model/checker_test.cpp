// What the checker promises to those who write bodies: what counts as a failure, how choices, time
// and faults are explored, and that executions do not disturb each other.
#include "checker.h"

#include <gtest/gtest.h>

#include <array>
#include <cassert>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "model_sync.h"

namespace tarn::model {
namespace {

using namespace std::chrono_literals;

void expect_failure(const Result& result, const std::string& message) {
  EXPECT_EQ(result.message.rfind(message, 0), 0u) << "failure: " << result.failure;
}

// ---- Exploration

TEST(Explore, OneThreadIsOneExecution) {
  Result result = explore(dpor(), [] {
    Atomic<int> n{0};
    n.store(1);
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.n_executions, 1);
  EXPECT_EQ(result.failure, "");
}

TEST(Explore, DataChoicesAreExhausted) {
  for (const Options& options : {dpor(), brute_force()}) {
    std::multiset<int> seen;
    Result result = explore(options, [&] {
      int tens = choose(3);
      seen.insert(tens * 10 + (fault() ? choose(2) : 7));
    });
    EXPECT_TRUE(result.complete);
    EXPECT_EQ(seen, (std::multiset<int>{0, 1, 7, 10, 11, 17, 20, 21, 27}));
  }
}

TEST(Explore, IndependentThreadsNeedOneExecution) {
  auto body = [] {
    std::array<Atomic<int>, 4> counters;
    std::array<Thread, 4> threads;
    for (int i = 0; i < 4; ++i) threads[i] = Thread([&counters, i] { counters[i].fetch_add(1); });
    for (Thread& thread : threads) thread.join();
  };
  EXPECT_EQ(explore(dpor(), body).n_executions, 1);
  EXPECT_GT(explore(brute_force(), body).n_executions, 24);
}

TEST(Explore, MorePreemptionsSeeMore) {
  auto body = [] {
    Atomic<int> n{0};
    auto step = [&] {
      for (int i = 0; i < 3; ++i) n.fetch_add(1);
    };
    Thread other(step);
    step();
    other.join();
  };
  int64_t before = 0;
  for (int preemptions = 0; preemptions < 4; ++preemptions) {
    Result result = explore(bounded(preemptions), body);
    EXPECT_TRUE(result.complete);
    EXPECT_GT(result.n_executions, before);
    before = result.n_executions;
  }
  EXPECT_GE(explore(brute_force(), body).n_executions, before);
}

TEST(Explore, EndlessLoopsAreTruncated) {
  Options options = dpor();
  options.max_steps = 100;
  options.max_executions = 10;
  Result result = explore(options, [] {
    Atomic<bool> never{false};
    while (!never.load()) {
    }
  });
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.n_truncated, 1);
  EXPECT_EQ(result.longest, 100);
  EXPECT_EQ(result.failure, "");
}

// The bug has depth 2: the other thread starts first, and stops between its two steps. Here the
// bound is exact.
TEST(Explore, PctHitsAsOftenAsItsBoundSays) {
  Options options = pct(2, 20'000);
  options.stop_at_failure = false;
  Result result = explore(options, [] {
    Atomic<int> n{0};
    Thread other([&] {
      int seen = n.load();
      n.store(seen + 1);
    });
    n.fetch_add(1);
    other.join();
    check(n.load() == 2, "lost update");
  });
  EXPECT_DOUBLE_EQ(result.pct_bound, 1.0 / (result.n_threads * result.longest));
  double share = static_cast<double>(result.n_failures) / static_cast<double>(result.n_executions);
  EXPECT_NEAR(share, result.pct_bound, 0.1 * result.pct_bound);
}

TEST(Explore, NotStoppingCountsAllFailures) {
  Options options = brute_force();
  options.stop_at_failure = false;
  int n_called = 0;
  options.after_execution = [&](const std::string&) { ++n_called; };
  Result result = explore(options, [] { check(choose(4) % 2 == 0, "odd"); });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.n_executions, 4);
  EXPECT_EQ(result.n_failures, 2);
  EXPECT_EQ(n_called, 4);
  EXPECT_EQ(result.schedule, "?1");

  options.method = Method::dpor;
  EXPECT_FALSE(explore(options, [] { check(choose(4) % 2 == 0, "odd"); }).complete);
}

// ---- Failures

TEST(Failure, IsReportedForWhateverEndsAnExecution) {
  expect_failure(explore(dpor(), [] { check(false, "no"); }), "no");
  expect_failure(explore(dpor(), [] { throw std::runtime_error("boom"); }),
                 "uncaught exception in thread 0: boom");
  expect_failure(explore(dpor(), [] { Thread([] { throw 42; }).join(); }),
                 "uncaught exception in thread 1");
  expect_failure(explore(dpor(), [] { std::terminate(); }), "std::terminate was called");
  expect_failure(explore(dpor(), [] { Thread forgotten([] {}); }),
                 "a joinable thread was destroyed");
  expect_failure(explore(dpor(), [] { Mutex().unlock(); }),
                 "thread 0 unlocks mutex 1, which it does not own");
  expect_failure(explore(dpor(),
                         [] {
                           Mutex mutex;
                           mutex.lock();
                           mutex.lock();
                         }),
                 "deadlock: thread 0 locks mutex 1");
  expect_failure(explore(dpor(),
                         [] {
                           Mutex mutex;
                           mutex.lock();
                         }),
                 "thread 0 destroys mutex 1 while it is in use");
  expect_failure(explore(dpor(), [] { new Mutex; }), "leak: 1 × mutex");
  expect_failure(explore(dpor(),
                         [] {
                           for (;;) Thread([] {}).detach();
                         }),
                 "more than 16 threads");
}

#if !defined(NDEBUG)
TEST(Failure, IsReportedForAFailedAssert) {
  Result result = explore(dpor(), [] { assert(choose(2) == 0); });
  EXPECT_NE(result.message.find("assertion failed: choose(2) == 0"), std::string::npos);
  EXPECT_EQ(result.schedule, "?1");
}
#endif

TEST(Failure, OfABodyThatIsNotDeterministic) {
  int n_runs = 0;
  Result result = explore(dpor(), [&] {
    Atomic<int> a{0}, b{0};
    Thread other([&] { a.store(1); });
    (++n_runs % 2 == 0 ? a : b).store(2);
    a.load();
    other.join();
  });
  expect_failure(result, "the body did not do what its schedule says");
}

// The stack of a failed execution is dropped, whatever is on it.
TEST(Failure, InNoexceptFunctionsAndDestructors) {
  struct Guard {
    ~Guard() { check(false, "in a destructor"); }
  };
  Result result = explore(dpor(), [] {
    auto call = []() noexcept { Guard guard; };
    call();
  });
  expect_failure(result, "in a destructor");
  result = explore(dpor(), [] {
    try {
      Guard guard;
      throw std::runtime_error("boom");
    } catch (const std::exception&) {
    }
  });
  expect_failure(result, "in a destructor");
}

TEST(Failure, SchedulesAreReplayedFromText) {
  auto body = [] {
    Atomic<int> n{0};
    Thread other([&] { n.store(choose(3)); });
    int seen = n.load();
    other.join();
    check(seen != 2, "two");
  };
  Result result = explore(dpor(), body);
  EXPECT_EQ(result.message, "two");
  EXPECT_EQ(result.failure, "two\n  replay: \"" + result.schedule + '"');
  Result again = replay(result.schedule, body);
  EXPECT_EQ(again.failure, result.failure);
  EXPECT_NE(again.trace.find("  chooses 2 of 3\nthread 1 writes atomic 1\n"), std::string::npos)
      << again.trace;

  expect_failure(replay("1 1 1 1 1 1", body), "the body did not do what its schedule says");
  EXPECT_EQ(replay("", body).failure, "");
  for (const char* text : {"x", "1*", "-1", "17", "0 ?", "0**2", "0*99999999999"}) {
    EXPECT_THROW(replay(text, body), std::invalid_argument) << text;
  }
}

// ---- Executions do not disturb each other, nor do threads

TEST(Isolation, ExceptionStateFollowsTheThread) {
  auto rethrow = [](Mutex& mutex, const char* mine) {
    try {
      throw std::runtime_error(mine);
    } catch (const std::exception&) {
      std::lock_guard lock(mutex);  // others run, and throw and catch, here
      try {
        throw;
      } catch (const std::exception& error) {
        check(std::string(error.what()) == mine, "another thread's exception was rethrown");
      }
    }
    check(std::uncaught_exceptions() == 0, "another thread's exception is in flight");
  };
  Result result = explore(dpor(), [&] {
    Mutex mutex;
    Thread first([&] { rethrow(mutex, "first"); });
    Thread second([&] { rethrow(mutex, "second"); });
    rethrow(mutex, "main");
    first.join();
    second.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_GE(result.n_executions, 6);
}

TEST(Isolation, UnwindingIsSeenByItsThreadOnly) {
  struct Probe {
    Atomic<int>& n;
    ~Probe() {
      n.fetch_add(1);
      check(std::uncaught_exceptions() == 1, "not unwinding");
    }
  };
  Result result = explore(dpor(), [] {
    Atomic<int> n{0};
    auto unwind = [&] {
      try {
        Probe probe{n};
        throw 1;
      } catch (int) {
      }
    };
    Thread other([&] {
      n.fetch_add(1);
      check(std::uncaught_exceptions() == 0, "unwinding");
    });
    unwind();
    other.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// Redundant executions are cut short, and yet free what they own.
TEST(Isolation, RedundantExecutionsLeakNothing) {
  int n_alive = 0;
  struct Counted {
    explicit Counted(int& count) : n(count) { ++n; }
    ~Counted() { --n; }
    int& n;
  };
  Result result = explore(dpor(), [&] {
    auto counted = std::make_unique<Counted>(n_alive);
    Atomic<int> a{0}, b{0}, c{0};
    Thread first([&] {
      a.store(1);
      b.load();
      c.load();
    });
    Thread second([&] {
      b.store(1);
      c.store(1);
      a.load();
    });
    c.load();
    a.store(3);
    first.join();
    second.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(n_alive, 0);
}

TEST(Isolation, ValuesPerExecution) {
  struct Shared {
    Atomic<int> n{0};
  };
  Result result = explore(dpor(), [] {
    Thread other([] { per_execution<Shared>().n.fetch_add(1); });
    per_execution<Shared>().n.fetch_add(1);
    other.join();
    check(per_execution<Shared>().n.load() == 2, "not shared, or shared between executions");
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.n_executions, 2);
}

// ---- Primitives

TEST(Threads, CreationFailsAsADataChoice) {
  Options options = dpor();
  options.thread_creation_may_fail = true;
  int n_created = 0, n_refused = 0;
  Result result = explore(options, [&] {
    Thread never_refused([] {});
    try {
      ModelSync::thread thread([](std::unique_ptr<int> value) { check(*value == 7, "argument"); },
                               std::make_unique<int>(7));
      ++n_created;
      thread.join();
    } catch (const std::system_error&) {
      ++n_refused;
    }
    never_refused.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(n_created, 1);
  EXPECT_EQ(n_refused, 1);
}

TEST(Threads, DetachedOnesAreWaitedFor) {
  bool ran = false;
  Result result = explore(dpor(), [&] { Thread([&] { ran = true; }).detach(); });
  EXPECT_TRUE(result.complete);
  EXPECT_TRUE(ran);
}

TEST(Mutexes, TryLockSeesBoth) {
  std::set<bool> seen;
  Result result = explore(dpor(), [&] {
    Mutex mutex;
    Thread other([&] { std::lock_guard lock(mutex); });
    bool locked = mutex.try_lock();
    seen.insert(locked);
    if (locked) mutex.unlock();
    other.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(seen, (std::set<bool>{false, true}));
}

TEST(ConditionVariables, NotifyOneWakesAnySleeper) {
  std::string asleep, woken;
  std::set<std::string> seen;
  Options options = dpor();
  options.stop_at_failure =
      false;  // every execution ends in a deadlock: one sleeper is never woken
  options.after_execution = [&](const std::string&) { seen.insert(asleep + "->" + woken); };
  Result result = explore(options, [&] {
    asleep = woken = "";
    Mutex mutex;
    ConditionVariable changed;
    auto sleep = [&](char name) {
      std::unique_lock lock(mutex);
      asleep += name;
      changed.wait(lock);
      woken += name;
    };
    Thread a([&] { sleep('a'); }), b([&] { sleep('b'); });
    {
      std::lock_guard lock(mutex);
      if (asleep.size() == 2) changed.notify_one();
    }
    a.join();
    b.join();
  });
  EXPECT_TRUE(result.complete);
  for (const char* expected : {"ab->a", "ab->b", "ba->a", "ba->b"}) {
    EXPECT_EQ(seen.count(expected), 1u) << expected;
  }
}

TEST(ConditionVariables, TimedWaitsEndBothWays) {
  std::set<std::pair<bool, int64_t>> seen;  // notified, seconds waited
  Result result = explore(dpor(), [&] {
    Mutex mutex;
    ConditionVariable changed;
    Plain<bool> done{false};
    Thread other([&] {
      std::lock_guard lock(mutex);
      done = true;
      changed.notify_all();
    });
    {
      std::unique_lock lock(mutex);
      auto start = Clock::now();
      bool in_time = changed.wait_for(lock, 3s, [&] { return done.get(); });
      seen.emplace(in_time, (Clock::now() - start) / 1s);
    }
    other.join();
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  // In time at once; in time though the time was up (the lock came late); too late.
  EXPECT_EQ(seen, (std::set<std::pair<bool, int64_t>>{{true, 0}, {true, 3}, {false, 3}}));
}

TEST(ConditionVariables, WithoutADeadlineTimeDoesNotPass) {
  Result result = explore(dpor(), [] {
    Mutex mutex;
    ConditionVariable changed;
    std::unique_lock lock(mutex);
    changed.wait_until(lock, Clock::time_point::max());
  });
  expect_failure(result, "deadlock: thread 0 sleeps on condition variable");
}

TEST(Time, AdvancesByHand) {
  Result result = explore(dpor(), [] {
    auto start = Clock::now();
    advance_clock(5'000'000);
    check(Clock::now() - start == 5ms, "time");
  });
  EXPECT_EQ(result.failure, "");
}

// ---- Races on plain variables

// A body in which thread 1 writes a plain variable and `link`s to thread 0, which then reads it.
template <class Publish, class Receive>
Result hand_over(Publish publish, Receive receive) {
  return explore(dpor(), [&] {
    Plain<int> value{0};
    Atomic<int> state{0};
    Thread helper([&] {
      int expected = 1;
      state.compare_exchange_strong(expected, 2, std::memory_order_relaxed,
                                    std::memory_order_relaxed);
    });
    Thread producer([&] {
      value = 7;
      publish(state);
    });
    if (receive(state) != 0) check(value == 7, "stale");
    helper.join();
    producer.join();
  });
}

TEST(Races, FollowTheMemoryOrders) {
  auto relaxed_store = [](Atomic<int>& state) { state.store(1, std::memory_order_relaxed); };
  auto release_store = [](Atomic<int>& state) { state.store(1, std::memory_order_release); };
  auto release_add = [](Atomic<int>& state) { state.fetch_add(1, std::memory_order_release); };
  auto relaxed_load = [](Atomic<int>& state) { return state.load(std::memory_order_relaxed); };
  auto acquire_load = [](Atomic<int>& state) { return state.load(std::memory_order_acquire); };
  const char* race = "data race: thread 0 reads what thread 2 wrote";
  expect_failure(hand_over(relaxed_store, acquire_load), race);
  expect_failure(hand_over(release_store, relaxed_load), race);
  // The helper's relaxed exchange in between goes on with the release sequence.
  for (const Result& result :
       {hand_over(release_store, acquire_load), hand_over(release_add, acquire_load)}) {
    EXPECT_TRUE(result.complete);
    EXPECT_EQ(result.failure, "");
  }
}

// Reading before writing is an order of events, but nothing that synchronizes.
TEST(Races, AReadBeforeAWriteDoesNotSynchronize) {
  Result result = explore(dpor(), [] {
    Plain<int> value{0};
    Atomic<bool> flag{false};
    Thread reader([&] {
      value = 1;
      flag.load();
    });
    flag.store(true);
    check(value >= 0, "value");
    reader.join();
  });
  expect_failure(result, "data race");
}

TEST(Races, ManyReadersAreNone) {
  Result result = explore(dpor(), [] {
    Plain<int> value{7};
    auto read = [&] { check(value == 7, "value"); };
    Thread first(read), second(read);
    read();
    first.join();
    second.join();
    value = 8;
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

TEST(Plains, StandForTheirType) {
  Result result = explore(dpor(), [] {
    struct Point {
      int x;
    };
    Point point{3};
    Plain<Point*> pointer{nullptr};
    check(pointer == nullptr && !pointer, "null");
    pointer = &point;
    check(pointer->x == 3, "arrow");
    check(std::exchange(pointer, nullptr) == &point, "exchange");
    Plain<int> n{1};
    n += 2;
    --n;
    check(n * 2 == 4, "arithmetic");
    Plain<std::vector<int>> list;
    list.ref().push_back(1);
    check(list.get().size() == 1, "ref");
  });
  EXPECT_EQ(result.failure, "");
}

}  // namespace
}  // namespace tarn::model
