#include "tarn/kernels/cpu/parallel.h"

#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#include "tarn/base/parallelism.h"

#if defined(__SANITIZE_THREAD__)
#define TARN_KERNELS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TARN_KERNELS_THREAD_SANITIZER 1
#endif
#endif

namespace tarn::cpu {

namespace {

// Waking a sleeping thread takes 10 to 50 microseconds.
constexpr std::chrono::microseconds kWorthThreads{100};

// Calls `call` about n times, on several threads at once, and at least once.
template <class F>
void call_on_threads(int n, const F& call) {
#ifdef TARN_KERNELS_THREAD_SANITIZER
  // The library of oneTBB is not instrumented: what orders its tasks would not be seen.
  std::vector<std::jthread> threads;
  try {
    for (int i = 1; i < n; ++i) threads.emplace_back(call);
  } catch (const std::exception&) {
    // No memory or no thread: those that there are do all the work.
  }
  call();
#else
  try {
    tbb::parallel_for(
        0, n, [&](int) { call(); }, tbb::simple_partitioner());
  } catch (const std::exception&) {
    // No memory for a task, or no thread. The tasks that were made have finished.
    call();
  }
#endif
}

}  // namespace

int num_threads() { return max_parallelism(); }

void parallel_detail::run(int64_t size, int64_t grain, bool is_large, void* body,
                          void (*call)(void* body, RangeQueue& queue)) {
  if (size <= grain || num_threads() == 1) {
    RangeQueue all(0, size, grain);
    return call(body, all);
  }
  RangeQueue rest(is_large ? 0 : grain, size, grain);
  const int64_t n_rest = is_large ? (size + grain - 1) / grain : (size - 1) / grain;  // ranges
  if (!is_large) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    RangeQueue first(0, grain, grain);
    call(body, first);
    if ((Clock::now() - start) * n_rest < kWorthThreads) return call(body, rest);
  }

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
  call_on_threads(n_calls, call_caught);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tarn::cpu
