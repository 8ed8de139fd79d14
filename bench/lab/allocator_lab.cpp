// What a buffer costs: a pair of allocation and release against the C library's, by one thread and
// by eight; with the release in another thread; and filling fresh against recycled memory.
//
//   g++ -std=c++20 -O2 -Isrc bench/lab/allocator_lab.cpp build/src/tarn/libtarn.so -pthread
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tarn/runtime/buffer.h"
#include "tarn/runtime/memory.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T>
void keep(T* pointer) {
  asm volatile("" : : "r"(pointer) : "memory");
}

struct TarnBytes {
  static constexpr const char* kName = "tarn";
  explicit TarnBytes(size_t nbytes) : buffer(tarn::BufferRef::allocate(nbytes)) {}
  char* data() const { return reinterpret_cast<char*>(buffer.data()); }
  tarn::BufferRef buffer;
};

// What an array would do without an allocator of its own: aligned, and counted by a shared pointer.
struct LibcBytes {
  static constexpr const char* kName = "aligned_alloc";
  explicit LibcBytes(size_t nbytes)
      : bytes(static_cast<char*>(std::aligned_alloc(64, nbytes)), std::free) {}
  char* data() const { return bytes.get(); }
  std::unique_ptr<char, void (*)(void*)> bytes;
};

// Nanoseconds per pair, of all threads together, when `held` blocks are allocated and then freed in
// turn: with perfect scaling the figure of one thread divided by the cores. Median of several runs.
template <class Bytes>
double pair_ns(size_t nbytes, int held, int n_threads) {
  const int rounds = std::max(1, 400'000 / held / (nbytes < (1 << 16) ? 1 : 40));
  std::vector<double> runs;
  for (int run = 0; run < 7; ++run) {
    std::atomic<int> waiting{n_threads};
    std::vector<std::pair<Clock::time_point, Clock::time_point>> spans(n_threads);
    std::vector<std::thread> threads;
    for (int i = 0; i < n_threads; ++i) {
      threads.emplace_back([&, i] {
        std::vector<Bytes> blocks;
        blocks.reserve(static_cast<size_t>(held));
        waiting.fetch_sub(1);
        while (waiting.load() > 0) std::this_thread::yield();
        spans[i].first = Clock::now();
        for (int round = 0; round < rounds; ++round) {
          for (int j = 0; j < held; ++j) {
            blocks.emplace_back(nbytes);
            *blocks.back().data() = 1;
            keep(blocks.back().data());
          }
          blocks.clear();
        }
        spans[i].second = Clock::now();
      });
    }
    for (std::thread& thread : threads) thread.join();
    auto [start, end] = spans[0];
    for (const auto& span : spans) {
      start = std::min(start, span.first);
      end = std::max(end, span.second);
    }
    const double ns = std::chrono::duration<double, std::nano>(end - start).count();
    runs.push_back(ns / n_threads / rounds / held);
  }
  std::nth_element(runs.begin(), runs.begin() + 3, runs.end());
  return runs[3];
}

// Nanoseconds for a block that one thread allocates and another frees, in batches.
template <class Bytes>
double handed_over_ns(size_t nbytes) {
  constexpr size_t kBatch = 256;
  constexpr int kBatches = 2000;
  std::vector<Bytes> batch[2];
  std::atomic<int> full[2] = {0, 0};
  const auto start = Clock::now();
  std::thread producer([&] {
    for (int i = 0; i < kBatches; ++i) {
      while (full[i % 2].load(std::memory_order_acquire) != 0) std::this_thread::yield();
      for (size_t j = 0; j < kBatch; ++j) batch[i % 2].emplace_back(nbytes);
      full[i % 2].store(1, std::memory_order_release);
    }
  });
  for (int i = 0; i < kBatches; ++i) {
    while (full[i % 2].load(std::memory_order_acquire) != 1) std::this_thread::yield();
    batch[i % 2].clear();
    full[i % 2].store(0, std::memory_order_release);
  }
  producer.join();
  return seconds_since(start) * 1e9 / kBatches / kBatch;
}

// GB/s of the first fill of a block, best of several.
template <class Bytes>
double fill_rate(size_t nbytes, bool recycled) {
  double best = 0;
  for (int run = 0; run < 9; ++run) {
    if (!recycled) tarn::clear_cache();
    Bytes bytes(nbytes);
    const auto start = Clock::now();
    std::memset(bytes.data(), run, nbytes);
    keep(bytes.data());
    best = std::max(best, static_cast<double>(nbytes) / seconds_since(start) / 1e9);
  }
  return best;
}

template <class Bytes>
void print_pairs() {
  for (int n_threads : {1, 8}) {
    std::printf("%-14s %d thread%s  ", Bytes::kName, n_threads, n_threads == 1 ? " " : "s");
    for (size_t nbytes : {size_t{64}, size_t{4} << 10, size_t{1} << 20, size_t{64} << 20}) {
      std::printf("%9.1f", pair_ns<Bytes>(nbytes, 1, n_threads));
    }
    std::printf("%16.1f\n", pair_ns<Bytes>(64, 1000, n_threads));
  }
}

}  // namespace

int main() {
  std::printf(
      "ns per pair, first byte written      64 B    4 KiB    1 MiB   64 MiB   1000 x 64 B\n");
  print_pairs<TarnBytes>();
  print_pairs<LibcBytes>();
  std::printf("\nns per 64-byte block freed by another thread: tarn %.1f, aligned_alloc %.1f\n",
              handed_over_ns<TarnBytes>(64), handed_over_ns<LibcBytes>(64));
  constexpr size_t kLarge = size_t{64} << 20;
  std::printf(
      "\nGB/s of filling 64 MiB, one thread: recycled %.1f, fresh %.1f, aligned_alloc %.1f\n",
      fill_rate<TarnBytes>(kLarge, true), fill_rate<TarnBytes>(kLarge, false),
      fill_rate<LibcBytes>(kLarge, false));
}
