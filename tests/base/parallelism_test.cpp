#include "tarn/base/parallelism.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <latch>

namespace tarn {
namespace {

// Returns only when n - 1 other threads have come.
void meet_in_a_loop(int n) {
  std::latch all(n);
  thread_team().run(n, n - 1, [&](int) noexcept { all.arrive_and_wait(); });
}

TEST(Parallelism, as_many_threads_come_as_a_loop_wants) {
  for (int n : {1, 3, 8, 2, 8}) meet_in_a_loop(n);
}

TEST(Parallelism, a_thread_has_the_same_number_in_every_loop) {
  constexpr int kThreads = 4;
  static thread_local int number = 0;
  std::atomic<int> n_changed = 0;
  for (int loop = 0; loop < 100; ++loop) {
    std::latch all(kThreads);
    thread_team().run(kThreads, kThreads - 1, [&](int i) noexcept {
      if (number != 0 && number != i) ++n_changed;
      number = i;
      all.arrive_and_wait();
    });
  }
  EXPECT_EQ(n_changed, 0);
}

TEST(Parallelism, the_child_of_a_fork_makes_threads_of_its_own) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer cannot start threads in the child of a fork";
#endif
  meet_in_a_loop(2);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // should nobody come
    meet_in_a_loop(2);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  meet_in_a_loop(2);
}

}  // namespace
}  // namespace tarn
