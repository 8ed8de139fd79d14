#include "tarn/kernels/cpu/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>

#include "tarn/base/ceil_div.h"
#include "tarn/base/parallelism.h"

namespace tarn::cpu {

namespace {

// Waking a sleeping thread takes 10 to 50 microseconds; one that is awake comes after one.
constexpr std::chrono::microseconds kWorthWaking{100}, kWorthSharing{25};
// With more threads than that, several begin in one section.
constexpr int kMostSections = 64;

// Moves the calling thread to another processor than `taken`, if it is there and may. A thread that
// is woken often lands on the processor of the one that woke it, and then the two take turns. It is
// left with the processors that it had, as its own wish.
void make_way(int taken) noexcept {
  if (taken < 0 || sched_getcpu() != taken) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(size_t(taken), &others);
  sched_setaffinity(0, sizeof others, &others);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

}  // namespace

int num_threads() { return max_parallelism(); }

RangeSections::RangeSections(int64_t begin, int64_t end, int64_t grain, std::span<Section> room)
    : sections_(room.first(
          size_t(std::clamp<int64_t>(ceil_div(end - begin, grain), 1, std::ssize(room))))),
      grain_(grain) {
  const int64_t n_ranges = ceil_div(end - begin, grain);
  const int64_t n = std::ssize(sections_);
  for (int64_t i = 0; i < n; ++i) {
    const auto edge = [&](int64_t k) { return std::min(end, begin + n_ranges * k / n * grain); };
    sections_[i].next.store(edge(i), std::memory_order_relaxed);
    sections_[i].end = edge(i + 1);
  }
}

void parallel_detail::run(int64_t size, int64_t grain, bool is_large, void* body,
                          void (*call)(void* body, RangeQueue& queue)) {
  const auto run_alone = [&](int64_t begin, int64_t end) {
    RangeSections::Section room;
    RangeSections all(begin, end, grain, {&room, 1});
    RangeQueue queue(all, 0);
    call(body, queue);
  };
  if (size <= grain || num_threads() == 1) return run_alone(0, size);
  const int64_t begin = is_large ? 0 : grain;
  const int64_t n_rest = ceil_div(size - begin, grain);  // ranges
  int most_helpers = num_threads() - 1;
  if (!is_large) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    run_alone(0, grain);
    const auto left = (Clock::now() - start) * n_rest;
    if (left < kWorthSharing) return run_alone(grain, size);
    if (left < kWorthWaking) most_helpers = std::min(most_helpers, thread_team().n_awake());
    if (most_helpers < 1) return run_alone(grain, size);
  }

  const int n_calls = static_cast<int>(std::min<int64_t>(n_rest, most_helpers + 1));
  RangeSections::Section room[kMostSections];
  // Large ranges share what they read with their neighbours.
  const int n_sections = is_large ? 1 : std::min(n_calls, kMostSections);
  RangeSections rest(begin, size, grain, {room, size_t(n_sections)});
  std::atomic_flag has_failed;
  std::exception_ptr failure;
  const int processor = sched_getcpu();
  const auto call_caught = [&](int i) noexcept {
    if (i != 0) make_way(processor);
    try {
      RangeQueue queue(rest, size_t(i));
      call(body, queue);
    } catch (...) {
      rest.stop();
      if (!has_failed.test_and_set()) failure = std::current_exception();
    }
  };
  thread_team().run(n_calls, num_threads() - 1, call_caught);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tarn::cpu
