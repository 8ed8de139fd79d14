#include "tarn/base/parallelism.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <latch>

namespace tarn {
namespace {

// Returns only when a second thread has come.
void meet_in_a_loop() {
  std::latch both(2);
  thread_team().run(2, [&](int) noexcept { both.arrive_and_wait(); });
}

TEST(Parallelism, the_child_of_a_fork_makes_threads_of_its_own) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer cannot start threads in the child of a fork";
#endif
  meet_in_a_loop();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // should nobody come
    meet_in_a_loop();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  meet_in_a_loop();
}

}  // namespace
}  // namespace tarn
