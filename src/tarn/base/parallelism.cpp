#include "tarn/base/parallelism.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <thread>

#include "tarn/base/settings.h"

namespace tarn {

namespace {

// Those of the main thread when they were first asked for: the calling one may be bound to fewer.
struct Processors {
  cpu_set_t allowed;
  int n;

  Processors() noexcept {
    const bool is_known = sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0;
    if (!is_known) CPU_ZERO(&allowed);
    n = std::max(
        is_known ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency()), 1);
  }
};

const Processors& processors() noexcept {
  static const Processors all;
  return all;
}

// Whoever makes a thread, which inherits its processors, may be bound to one.
void run_anywhere() noexcept {
  const cpu_set_t& allowed = processors().allowed;
  if (CPU_COUNT(&allowed) > 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

// Never destroyed: its threads sleep in it while the process exits.
alignas(ThreadTeam) std::byte team[sizeof(ThreadTeam)];

// When the library is loaded, so that the child of a fork never finds it half made; where it is
// linked statically, before initializers that may evaluate.
[[gnu::constructor(101)]] void make_team() {
  new (team) ThreadTeam(run_anywhere);
  pthread_atfork([] { thread_team().fork_mutex().lock(); },
                 [] { thread_team().fork_mutex().unlock(); },
                 [] {
                   thread_team().fork_mutex().unlock();
                   new (team) ThreadTeam(run_anywhere);
                 });
}

}  // namespace

int max_parallelism() {
  static const int n = settings().num_threads > 0 ? settings().num_threads : processors().n;
  return n;
}

ThreadTeam& thread_team() noexcept { return *std::launder(reinterpret_cast<ThreadTeam*>(team)); }

}  // namespace tarn
