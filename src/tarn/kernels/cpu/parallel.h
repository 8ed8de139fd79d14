// Spreads the loops of one operation over the cores.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tarn::cpu {

// Threads that one operation may use: TARN_NUM_THREADS, or as many as the process may run on.
int num_threads();

// The ranges of [begin, end), in sections of neighbours. Shared by the threads of one loop.
class RangeSections {
 public:
  struct alignas(64) Section {
    std::atomic<int64_t> next;
    int64_t end;
  };

  // As many sections as `room` has, but no more than ranges. Uses `room` as long as it lives.
  RangeSections(int64_t begin, int64_t end, int64_t grain, std::span<Section> room);

  // Takes back what has not been handed out.
  void stop() {
    for (Section& section : sections_) section.next.store(section.end);
  }

 private:
  friend class RangeQueue;

  const std::span<Section> sections_;
  const int64_t grain_;
};

// Hands out ranges to one thread: those of a section of its own first, since memory is read faster
// in long stretches that are far from what other threads read, then those that are left of others'.
class RangeQueue {
 public:
  struct Range {
    int64_t begin;
    int64_t end;
  };

  RangeQueue(RangeSections& sections, size_t first_section)
      : all_(sections), section_(first_section % sections.sections_.size()) {}

  // An empty range when there is no more.
  Range next() { return take(1); }

  // Several ranges in one: at most n, and fewer towards the end, so that threads finish together.
  Range next_of_many(int64_t n) { return take(n); }

  // Takes back what has not been handed out, to any thread.
  void stop() { all_.stop(); }

 private:
  Range take(int64_t most) {
    const size_t n = all_.sections_.size();
    for (size_t tries = 0; tries < n; ++tries, section_ = section_ + 1 == n ? 0 : section_ + 1) {
      RangeSections::Section& section = all_.sections_[section_];
      const int64_t left = section.end - section.next.load(std::memory_order_relaxed);
      if (left <= 0) continue;
      const int64_t share = left / (all_.grain_ * kShares);
      const int64_t size = all_.grain_ * (share < 1 ? 1 : share < most ? share : most);
      const int64_t begin = section.next.fetch_add(size, std::memory_order_relaxed);
      if (begin < section.end)
        return {begin, begin + size < section.end ? begin + size : section.end};
    }
    return {0, 0};
  }

  static constexpr int64_t kShares = 8;  // of a section

  RangeSections& all_;
  size_t section_;
};

namespace parallel_detail {
void run(int64_t size, int64_t grain, bool is_large, void* body,
         void (*call)(void* body, RangeQueue& queue));
}

// Calls body(queue) until [0, size) has been handed out in ranges of `grain`: on the calling thread
// alone while the work is estimated, from the time that the first range took, to be less than
// calling threads is worth; else on several threads at once. `body` takes ranges until it gets an
// empty one. What it throws is thrown when all threads have left it. Nothing is handed out twice
// and nothing is left, also where no thread can be had.
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

// Memory for each time that a loop of parallel_ranges() is entered: once to begin with, and once on
// each thread. Shared by the threads of one loop.
class LoopScratch {
 public:
  // Bytes for all of them, if each needs nbytes_each and the loop has at most n_ranges ranges.
  static int64_t nbytes(int64_t nbytes_each, int64_t n_ranges) {
    const int64_t n_threads = num_threads();
    return nbytes_each * ((n_ranges < n_threads ? n_ranges : n_threads) + 1);
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
