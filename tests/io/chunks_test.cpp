#include "tarn/io/chunks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tarn/base/parallelism.h"

namespace tarn::io {
namespace {

TEST(RunChunks, runs_each_chunk_once) {
  for (const bool parallel : {false, true}) {
    for (const size_t n : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> runs(n);
      run_chunks(n, parallel, [&](size_t i) { ++runs[i]; });
      for (const auto& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(RunChunks, in_order_and_on_this_thread_if_not_parallel) {
  std::vector<size_t> order;
  const std::thread::id caller = std::this_thread::get_id();
  run_chunks(5, false, [&](size_t i) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(i);
  });
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4}));
}

TEST(RunChunks, reports_the_lowest_failure_whatever_the_timing) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const size_t n = 1 + random() % 40;
    std::set<size_t> failing;
    for (size_t i = 0; i < 1 + random() % 4; ++i) failing.insert(random() % n);
    std::vector<int> spins(n);
    for (int& spin : spins) spin = static_cast<int>(random() % 2000);
    std::vector<std::atomic<int>> runs(n);
    try {
      run_chunks(n, round % 4 != 0, [&](size_t i) {
        for (volatile int s = spins[i]; s > 0;) s = s - 1;
        ++runs[i];
        if (failing.contains(i)) throw i;
      });
      FAIL();
    } catch (size_t first) {
      EXPECT_EQ(first, *failing.begin());
      for (size_t i = 0; i <= first; ++i) EXPECT_EQ(runs[i], 1);
    }
  }
}

TEST(RunChunks, ends_only_when_all_chunks_have_ended) {
  if (max_parallelism() < 2) GTEST_SKIP() << "needs two threads";
  for (const size_t failing : {0, 1}) {
    std::latch both_inside(2);
    std::atomic<bool> has_failed{false};
    std::atomic<bool> has_returned{false};
    EXPECT_THROW(run_chunks(2, true,
                            [&](size_t i) {
                              both_inside.arrive_and_wait();
                              if (i == failing) {
                                has_failed = true;
                                throw std::runtime_error("this chunk fails");
                              }
                              while (!has_failed) std::this_thread::yield();
                              for (int k = 0; k < 1000; ++k) std::this_thread::yield();
                              EXPECT_FALSE(has_returned);
                            }),
                 std::runtime_error);
    has_returned = true;
  }
}

}  // namespace
}  // namespace tarn::io
