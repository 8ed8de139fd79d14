#include "tarn/base/parallelism.h"

#include <tbb/global_control.h>

#include <cstddef>
#include <new>

#include "tarn/base/settings.h"

namespace tarn {

namespace {

using tbb::global_control;

// oneTBB sets itself up when it is first used. When that fails, for want of memory, all its later
// callers wait for ever for the one that gave up: so it is asked once, and left alone if it failed.
int ask_scheduler(int wanted) noexcept {
  try {
    if (wanted > 0) {
      // Never destroyed: the scheduler would forget the limit.
      alignas(global_control) static std::byte limit[sizeof(global_control)];
      new (limit) global_control(global_control::max_allowed_parallelism, size_t(wanted));
    }
    return static_cast<int>(global_control::active_value(global_control::max_allowed_parallelism));
  } catch (...) {
    return 1;
  }
}

}  // namespace

int max_parallelism() {
  const int wanted = settings().num_threads;
  static const int n = ask_scheduler(wanted);
  return n;
}

}  // namespace tarn
