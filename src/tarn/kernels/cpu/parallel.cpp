#include "tarn/kernels/cpu/parallel.h"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

#include <chrono>
#include <exception>
#include <new>

#include "tarn/base/settings.h"

namespace tarn::cpu {

namespace {

// Waking a sleeping thread takes 10 to 50 microseconds.
constexpr std::chrono::microseconds kWorthThreads{100};

int configure_threads() {
  if (settings().num_threads > 0) {
    // Lives as long as the process; the scheduler forgets the limit when it is destroyed.
    static const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                           static_cast<size_t>(settings().num_threads));
  }
  return static_cast<int>(
      tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism));
}

}  // namespace

int num_threads() {
  static const int n = configure_threads();
  return n;
}

void parallel_detail::run(int64_t size, int64_t grain, void* body,
                          void (*call)(void* body, RangeQueue& queue)) {
  if (size <= grain || num_threads() == 1) {
    RangeQueue all(0, size, grain);
    return call(body, all);
  }
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  RangeQueue first(0, grain, grain);
  call(body, first);
  const int64_t n_rest = (size - 1) / grain;  // ranges
  RangeQueue rest(grain, size, grain);
  if ((Clock::now() - start) * n_rest < kWorthThreads) return call(body, rest);

  const int n_calls = static_cast<int>(n_rest < num_threads() ? n_rest : num_threads());
  std::atomic_flag has_failed;
  std::exception_ptr failure;
  const auto call_caught = [&] {
    try {
      call(body, rest);
    } catch (...) {
      rest.stop();
      if (!has_failed.test_and_set()) failure = std::current_exception();
    }
  };
  try {
    tbb::parallel_for(
        0, n_calls, [&](int) { call_caught(); }, tbb::simple_partitioner());
  } catch (const std::bad_alloc&) {
    // The scheduler could not make a task; those it made have finished.
    call_caught();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tarn::cpu
