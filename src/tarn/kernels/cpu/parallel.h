// Spreads the loops of one operation over the cores.
#pragma once

#include <atomic>
#include <cstdint>

namespace tarn::cpu {

// Threads that one operation may use: TARN_NUM_THREADS, or as many as the process may run on.
int num_threads();

// Hands out the ranges of [begin, end) to whoever asks next. Shared by the threads of one loop.
class RangeQueue {
 public:
  struct Range {
    int64_t begin;
    int64_t end;
  };

  RangeQueue(int64_t begin, int64_t end, int64_t grain) : next_(begin), end_(end), grain_(grain) {}

  // An empty range when there is no more.
  Range next() { return take(grain_); }

  // Several ranges in one: at most n, and fewer towards the end, so that threads finish together.
  Range next_of_many(int64_t n) {
    static constexpr int64_t kShares = 8;  // of what is left, for each thread
    const int64_t left = end_ - next_.load(std::memory_order_relaxed);
    const int64_t share = left / (grain_ * kShares * num_threads());
    return take(grain_ * (share < 1 ? 1 : share < n ? share : n));
  }

  // Takes back what has not been handed out.
  void stop() { next_.store(end_, std::memory_order_relaxed); }

 private:
  Range take(int64_t size) {
    const int64_t begin = next_.fetch_add(size, std::memory_order_relaxed);
    if (begin >= end_) return {end_, end_};
    return {begin, begin + size < end_ ? begin + size : end_};
  }

  std::atomic<int64_t> next_;
  const int64_t end_;
  const int64_t grain_;
};

namespace parallel_detail {
void run(int64_t size, int64_t grain, bool is_large, void* body,
         void (*call)(void* body, RangeQueue& queue));
}

// Calls body(queue) until [0, size) has been handed out in ranges of `grain`: on the calling thread
// alone while the work is estimated, from the time that the first range took, to be less than
// waking a thread is worth; else on several threads at once. `body` takes ranges until it gets an
// empty one. What it throws is thrown when all threads have left it. Nothing is handed out twice
// and nothing is left, even if memory runs out while threads are recruited.
template <class Body>
void parallel_ranges(int64_t size, int64_t grain, Body body) {
  parallel_detail::run(size, grain, false, &body, [](void* erased, RangeQueue& queue) {
    (*static_cast<Body*>(erased))(queue);
  });
}

// The same for work that is known to be worth threads, in ranges so few and large that all of them
// should start at once.
template <class Body>
void parallel_large_ranges(int64_t size, int64_t grain, Body body) {
  parallel_detail::run(size, grain, true, &body, [](void* erased, RangeQueue& queue) {
    (*static_cast<Body*>(erased))(queue);
  });
}

// Memory for each time that a loop of parallel_ranges() is entered: once to begin with, once on
// each thread, and once more if memory runs out. Shared by the threads of one loop.
class LoopScratch {
 public:
  // Bytes for all of them, if each needs nbytes_each and the loop has at most n_ranges ranges.
  static int64_t nbytes(int64_t nbytes_each, int64_t n_ranges) {
    const int64_t n_threads = num_threads();
    return nbytes_each * ((n_ranges <= n_threads ? n_ranges : n_threads + 1) + 1);
  }

  // Requires: `memory` has nbytes(nbytes_each, n_ranges) bytes.
  LoopScratch(void* memory, int64_t nbytes_each)
      : next_(static_cast<char*>(memory)), nbytes_each_(nbytes_each) {}

  char* take() { return next_.fetch_add(nbytes_each_, std::memory_order_relaxed); }

 private:
  std::atomic<char*> next_;
  const int64_t nbytes_each_;
};

}  // namespace tarn::cpu
