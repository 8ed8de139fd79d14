// What this machine does at best, written by hand for comparison: memory bandwidth on all cores,
// and reads of a cached file on two threads.
#pragma once

#include <immintrin.h>
#include <sys/mman.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <thread>

#include "tarn/runtime/components.h"

namespace tarn::bench {

// While it lives, limits are those of as many threads as operations have.
class LimitThreads {
  const tbb::global_control limit_{tbb::global_control::max_allowed_parallelism,
                                   size_t(installed_components().n_threads)};
};

// Zeroed memory on huge pages, where the system has them.
template <class T>
class HugeArray {
 public:
  explicit HugeArray(size_t n) : nbytes_(n * sizeof(T)) {
    void* bytes =
        mmap(nullptr, nbytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) throw std::bad_alloc();
    madvise(bytes, nbytes_, MADV_HUGEPAGE);
    data_ = static_cast<T*>(bytes);
  }
  HugeArray(const HugeArray&) = delete;
  ~HugeArray() { munmap(data_, nbytes_); }

  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  const size_t nbytes_;
  T* data_;
};

// Passes over arrays of n floats, a multiple of kBlock.
class MemoryLimits {
 public:
  static constexpr int kBlock = 1 << 16;

  explicit MemoryLimits(int n) : n_(n), a_(n), b_(n), c_(n), d_(n) {
    for (int i = 0; i < n; ++i) a_[i] = b_[i] = c_[i] = float(i % 1000);
  }

  // d = a * b + c, with stores that bypass the caches or not: which is faster depends on the size
  // of the last-level cache.
  void triad(bool stream) {
    over_blocks([&](int begin, int end) {
      const float *a = a_.data(), *b = b_.data(), *c = c_.data();
      float* d = d_.data();
      stream ? triad_block<true>(a, b, c, d, begin, end)
             : triad_block<false>(a, b, c, d, begin, end);
    });
  }

  void read() {
    over_blocks([&](int begin, int end) {
      sink_.store(read_block(a_.data(), begin, end), std::memory_order_relaxed);
    });
  }

 private:
  template <class F>
  void over_blocks(F f) const {
    tbb::parallel_for(0, n_ / kBlock, [&](int i) { f(i * kBlock, (i + 1) * kBlock); });
  }

  template <bool kStream>
  [[gnu::target("avx2,fma")]] static void triad_block(const float* a, const float* b,
                                                      const float* c, float* d, int begin,
                                                      int end) {
    for (int i = begin; i < end; i += 8) {
      const __m256 sum =
          _mm256_fmadd_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i), _mm256_load_ps(c + i));
      kStream ? _mm256_stream_ps(d + i, sum) : _mm256_store_ps(d + i, sum);
    }
  }

  [[gnu::target("avx2")]] static float read_block(const float* a, int begin, int end) {
    __m256 sums[8] = {};
    for (int i = begin; i < end; i += 64) {
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) sums[k] = _mm256_add_ps(sums[k], _mm256_load_ps(a + i + 8 * k));
    }
#pragma GCC unroll 8
    for (int k = 1; k < 8; ++k) sums[0] = _mm256_add_ps(sums[0], sums[k]);
    return _mm256_cvtss_f32(sums[0]);
  }

  const int n_;
  const HugeArray<float> a_, b_, c_, d_;
  std::atomic<float> sink_{0};
};

// Multiply-adds of floats on all cores, in operations a second: a product and a sum are two.
class ArithmeticLimit {
 public:
  static double flops() {
    constexpr int kTasks = 64;
    const auto start = std::chrono::steady_clock::now();
    tbb::parallel_for(0, kTasks,
                      [](int) { __builtin_cpu_supports("avx512f") ? run_512() : run_256(); });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    const int lanes = __builtin_cpu_supports("avx512f") ? 16 : 8;
    return 2.0 * kTasks * kRounds * kChains * lanes / taken.count();
  }

 private:
  static constexpr int kRounds = 1 << 16;
  static constexpr int kChains = 12;  // more than latency times throughput

  [[gnu::target("avx512f")]] static void run_512() {
    __m512 sums[kChains];
    // All different, else the compiler computes one for all.
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(float(i));
    const __m512 factor = _mm512_set1_ps(0.999f);
    for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
      for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
    }
    for (__m512& sum : sums) asm volatile("" : : "v"(sum));
  }
  [[gnu::target("avx2,fma")]] static void run_256() {
    __m256 sums[kChains];
    for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(float(i));
    const __m256 factor = _mm256_set1_ps(0.999f);
    for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
      for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
    }
    for (__m256& sum : sums) asm volatile("" : : "x"(sum));
  }
};

// Reads the first nbytes of a file into `to`, in two halves by two threads.
inline void pread_on_two_threads(int file, char* to, size_t nbytes) {
  constexpr size_t kAtOnce = 1 << 20;
  const auto read = [&](size_t begin, size_t end) {
    while (begin < end) {
      const ssize_t n = pread(file, to + begin, std::min(end - begin, kAtOnce), off_t(begin));
      if (n <= 0) std::terminate();
      begin += size_t(n);
    }
  };
  std::jthread other(read, nbytes / 2, nbytes);
  read(0, nbytes / 2);
}

}  // namespace tarn::bench
