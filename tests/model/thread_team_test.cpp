// The threads of loops under the model checker: a loop ends when all calls have, nobody waits for a
// thread that does not come, and what helpers wrote is there.
#include "tarn/base/thread_team.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include "model_sync.h"

namespace tarn::model {
namespace {

// For so many loops at a time.
template <int kPlaces>
using ModelTeam = BasicThreadTeam<ModelSync, kPlaces>;

void expect_exhausted(const Options& options, const std::function<void()>& body) {
  const Result result = explore(options, body);
  EXPECT_EQ(result.failure, "");
  EXPECT_TRUE(result.complete);
  std::printf("%s\n", result.summary().c_str());
}

Options threads_may_fail(Options options = dpor()) {
  options.thread_creation_may_fail = true;
  return options;
}

// Where there are too many executions for all of them.
constexpr int kPreemptions = 3;

// A loop whose calls leave a mark each.
class Marks {
 public:
  explicit Marks(int n) : n_(n) {}

  template <class Team>
  void run(Team& team) {
    team.run(n_, n_ - 1, [this](int i) noexcept { ++marks_[i]; });
    check(marks_[0] == 1, "the caller did not do its share once");
    for (int i = 1; i < n_; ++i) check(marks_[i] <= 1, "a thread came twice");
  }

 private:
  const int n_;
  Plain<int> marks_[3];  // also a check that what helpers wrote is seen
};

TEST(ThreadTeam, loops_one_after_the_other) {
  for (int n : {1, 2}) {
    expect_exhausted(threads_may_fail(), [n] {
      ModelTeam<1> team;
      Marks(n).run(team);
      Marks(n).run(team);
    });
  }
}

TEST(ThreadTeam, a_loop_with_two_helpers) {
  expect_exhausted(threads_may_fail(bounded(kPreemptions)), [] {
    ModelTeam<1> team;
    Marks(3).run(team);
  });
}

template <int kPlaces>
void run_two_loops_at_once() {
  ModelTeam<kPlaces> team;
  Thread other([&] { Marks(2).run(team); });
  Marks(2).run(team);
  other.join();
}

TEST(ThreadTeam, loops_at_the_same_time) {
  expect_exhausted(threads_may_fail(bounded(kPreemptions)), run_two_loops_at_once<2>);
}

TEST(ThreadTeam, a_loop_without_a_place_goes_without_help) {
  expect_exhausted(threads_may_fail(bounded(kPreemptions)), run_two_loops_at_once<1>);
}

// Two loops whose calls wait for those of the other. Too many executions for all of them.
TEST(ThreadTeam, loops_at_the_same_time_have_a_thread_each) {
  const Result result = explore(pct(3, 20'000), [] {
    ModelTeam<2> team;
    Mutex mutex;
    ConditionVariable all_came;
    int n_came = 0;
    const auto meet = [&](int) noexcept {
      std::unique_lock lock(mutex);
      if (++n_came == 4) all_came.notify_all();
      while (n_came < 4) all_came.wait(lock);
    };
    Thread other([&] { team.run(2, 2, meet); });
    team.run(2, 2, meet);
    other.join();
  });
  EXPECT_EQ(result.failure, "");
}

// Loops whose calls wait for each other, the second of which allows one thread more.
TEST(ThreadTeam, a_larger_loop_makes_more_threads) {
  expect_exhausted(bounded(kPreemptions - 1), [] {
    ModelTeam<1> team;
    for (int n : {2, 3}) {
      Mutex mutex;
      ConditionVariable all_came;
      int n_came = 0;
      team.run(n, n - 1, [&](int) noexcept {
        std::unique_lock lock(mutex);
        if (++n_came == n) all_came.notify_all();
        while (n_came < n) all_came.wait(lock);
      });
    }
  });
}

TEST(ThreadTeam, a_loop_inside_of_another) {
  expect_exhausted(threads_may_fail(), [] {
    ModelTeam<2> team;
    team.run(2, 1, [&](int i) noexcept {
      if (i == 1) Marks(2).run(team);
    });
  });
}

// What waits for another call of its loop is helped as soon as a thread can be had.
TEST(ThreadTeam, a_sleeping_thread_comes_when_it_is_wanted) {
  expect_exhausted(bounded(kPreemptions), [] {
    ModelTeam<1> team;
    for (int loop = 0; loop < 2; ++loop) {
      Mutex mutex;
      ConditionVariable came;
      bool has_come = false;
      team.run(2, 1, [&](int i) noexcept {
        std::unique_lock lock(mutex);
        if (i == 1) {
          has_come = true;
          came.notify_one();
        }
        while (!has_come) came.wait(lock);
      });
    }
  });
}

}  // namespace
}  // namespace tarn::model
