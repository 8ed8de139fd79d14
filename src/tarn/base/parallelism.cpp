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

// Of the process, though the calling thread may be bound to fewer.
int n_processors() noexcept {
  cpu_set_t allowed;
  const int n = sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0
                    ? CPU_COUNT(&allowed)
                    : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(n, 1);
}

// Never destroyed: its threads sleep in it while the process exits.
alignas(ThreadTeam) std::byte team[sizeof(ThreadTeam)];

// When the library is loaded, so that the child of a fork never finds it half made; where it is
// linked statically, before initializers that may evaluate.
[[gnu::constructor(101)]] void make_team() {
  new (team) ThreadTeam;
  pthread_atfork([] { thread_team().fork_mutex().lock(); },
                 [] { thread_team().fork_mutex().unlock(); },
                 [] {
                   thread_team().fork_mutex().unlock();
                   new (team) ThreadTeam;
                 });
}

}  // namespace

int max_parallelism() {
  static const int n = settings().num_threads > 0 ? settings().num_threads : n_processors();
  return n;
}

ThreadTeam& thread_team() noexcept { return *std::launder(reinterpret_cast<ThreadTeam*>(team)); }

}  // namespace tarn
