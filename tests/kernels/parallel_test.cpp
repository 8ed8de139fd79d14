// Loops over ranges: nothing is handed out twice, nothing is left, and what a thread throws is
// thrown.
#include "tarn/kernels/cpu/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace tarn::cpu {
namespace {

struct Loop {
  int64_t size;
  int64_t grain;
};

const std::vector<Loop> kLoops{{0, 8}, {1, 8}, {8, 8}, {9, 8}, {17, 8}, {4096, 8}, {4099, 8}};

TEST(Sections, hand_out_everything_once_to_whoever_asks) {
  for (const auto [size, grain] : kLoops) {
    for (size_t n_sections : {1, 2, 3, 64, 1000}) {
      for (int64_t most : {1, 5, 1000}) {
        SCOPED_TRACE(testing::Message() << size << " in ranges of " << grain << ", " << n_sections
                                        << " sections, " << most << " at once");
        std::vector<RangeSections::Section> room(n_sections);
        RangeSections sections(0, size, grain, room);
        // Two threads' queues, taken from in turn; the second goes first into its own section.
        RangeQueue queues[2] = {{sections, 0}, {sections, 1}};
        std::vector<int> times(size);
        for (bool more = true; more;) {
          more = false;
          for (RangeQueue& queue : queues) {
            const auto [begin, end] = queue.next_of_many(most);
            more |= begin != end;
            EXPECT_EQ(begin == end ? 0 : begin % grain, 0);
            for (int64_t i = begin; i < end; ++i) ++times[i];
          }
        }
        EXPECT_EQ(times, std::vector<int>(size, 1));
      }
    }
  }
}

TEST(Sections, of_their_own_come_first) {
  RangeSections::Section room[2];
  RangeSections sections(0, 64, 8, room);
  RangeQueue first(sections, 0), second(sections, 1);
  EXPECT_EQ(second.next().begin, 32);
  EXPECT_EQ(first.next().begin, 0);
  EXPECT_EQ(second.next().begin, 40);
  EXPECT_EQ(second.next().begin, 48);
  EXPECT_EQ(second.next().begin, 56);
  EXPECT_EQ(second.next().begin, 8);  // what is left of the other's
}

TEST(Sections, stop_for_all) {
  RangeSections::Section room[2];
  RangeSections sections(0, 64, 8, room);
  RangeQueue first(sections, 0), second(sections, 1);
  first.next();
  second.stop();
  for (RangeQueue& queue : {std::ref(first), std::ref(second)}) {
    const auto [begin, end] = queue.next();
    EXPECT_EQ(begin, end);
  }
}

TEST(ParallelRanges, cover_the_loop_once) {
  for (const auto [size, grain] : kLoops) {
    SCOPED_TRACE(testing::Message() << size << " in ranges of " << grain);
    std::vector<std::atomic<int>> times(size), times_of_large(size);
    const auto count_in = [](std::vector<std::atomic<int>>& counts) {
      return [&counts](RangeQueue& queue) {
        for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
          for (int64_t i = range.begin; i < range.end; ++i) ++counts[i];
        }
      };
    };
    parallel_ranges(size, grain, count_in(times));
    parallel_large_ranges(size, grain, count_in(times_of_large));
    for (int64_t i = 0; i < size; ++i) {
      EXPECT_EQ(times[i], 1) << i;
      EXPECT_EQ(times_of_large[i], 1) << i;
    }
  }
}

TEST(ParallelRanges, throw_what_a_thread_throws) {
  std::atomic<int> n_ranges{0};
  const auto throw_in_the_third = [&](RangeQueue& queue) {
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      if (++n_ranges == 3) throw std::runtime_error("the third");
    }
  };
  EXPECT_THROW(parallel_large_ranges(1 << 20, 1, throw_in_the_third), std::runtime_error);
}

int n_processors_of(pid_t thread) {
  cpu_set_t allowed;
  return sched_getaffinity(thread, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : -1;
}

// In the child of a fork, which begins without helpers: the one that comes is new.
TEST(ParallelRanges, helpers_of_a_bound_thread_run_anywhere) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer cannot start threads in the child of a fork";
#endif
  const int n = n_processors_of(getpid());
  if (n < 2 || num_threads() < 2) GTEST_SKIP() << "one processor";
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // should nobody come
    int n_helpers = 0;
    std::thread bound([&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(size_t(sched_getcpu()), &one);
      sched_setaffinity(0, sizeof one, &one);
      std::latch both(2);
      parallel_large_ranges(2, 1, [&](RangeQueue& queue) {
        both.arrive_and_wait();
        const auto range = queue.next();
        if (range.begin != range.end && n_processors_of(0) == n) ++n_helpers;
      });
    });
    bound.join();
    _exit(n_helpers == 1 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace tarn::cpu
