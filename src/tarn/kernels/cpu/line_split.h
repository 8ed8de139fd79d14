// Cuts a long line into buckets of ascending keys, so that all cores can sort it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/sort_kernels.h"
#include "tarn/kernels/cpu/sort_lines.h"

namespace tarn::cpu {

// What is in a bucket, and where it begins and ends, does not depend on the order in which threads
// work: elements keep their order within a bucket.
template <class K>
class LineSplit {
 public:
  // At most BlockReader::kBlock elements to keys.
  using ToKeys = void (*)(Dtype dtype, const void* x, K* keys, int64_t n);

  struct Bucket {
    int64_t begin, end;
    bool has_one_key;  // and so is in order
  };

  // Borrows `in`.
  LineSplit(const View& in, const Line& line, ToKeys to_keys)
      : in_(in), line_(line), to_keys_(to_keys), n_chunks_((line.n + kChunk - 1) / kChunk) {
    choose_splitters();
    places_.resize(size_t(n_chunks_ * n_buckets()));
    count();
    counts_to_places();
  }

  const std::vector<Bucket>& buckets() const { return buckets_; }

  // Puts make_item(key, number of the element) for each element into its bucket. May be called
  // once.
  template <class Item, class MakeItem>
  void distribute(Item* items, MakeItem make_item) {
    const auto classify = sort_kernels().classify[kKeyWidth<K>];
    for_each_block_of_keys([&](int64_t first, const K* keys, int64_t n, int64_t* places) {
      uint8_t buckets[BlockReader::kBlock];
      classify(keys, size_t(n), splitters_.data(), splitters_.size(), buckets);
      for (int64_t i = 0; i < n; ++i) items[places[buckets[i]]++] = make_item(keys[i], first + i);
    });
  }

 private:
  static constexpr int64_t kChunk = 64 << 10;
  // A few more buckets than threads even out how long they take to sort.
  static constexpr int64_t kBucketsPerThread = 8;
  static constexpr int64_t kMostBuckets = 128;
  static constexpr int64_t kSamplesPerBucket = 32;
  static constexpr K kLargest = std::numeric_limits<K>::max();

  int64_t n_buckets() const { return int64_t(splitters_.size()) + 1; }

  // Bucket i begins with splitter i - 1. A key that is met twice among the candidates is frequent
  // and gets a bucket of its own.
  void choose_splitters() {
    const int64_t n = std::min(kMostBuckets, kBucketsPerThread * num_threads());
    const std::vector<K> samples = sorted_samples(n * kSamplesPerBucket);
    for (int64_t i = 1; i < n; ++i) {
      const K key = samples[size_t(i * kSamplesPerBucket)];
      if (splitters_.empty() || key > splitters_.back()) {
        splitters_.push_back(key);
      } else if (key == splitters_.back() && key != kLargest) {
        splitters_.push_back(K(key + 1));
      }
    }
  }

  // Of elements at pseudorandom places, the same ones for lines of the same length.
  std::vector<K> sorted_samples(int64_t n) const {
    std::vector<K> samples;
    BlockReader reader(in_, in_.dtype.val());
    uint64_t state = 1;
    for (int64_t i = 0; i < n; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const int64_t place = int64_t((state >> 32) * uint64_t(line_.n) >> 32);
      to_keys_(in_.dtype, reader.read_run(line_.offset + place * line_.stride, line_.stride, 1),
               &samples.emplace_back(), 1);
    }
    std::sort(samples.begin(), samples.end());
    return samples;
  }

  void count() {
    const auto count_reached = sort_kernels().count_reached[kKeyWidth<K>];
    for_each_block_of_keys([&](int64_t, const K* keys, int64_t n, int64_t* places) {
      int64_t reached[256];
      count_reached(keys, size_t(n), splitters_.data(), splitters_.size(), reached);
      for (size_t i = 0; i < splitters_.size(); ++i) {
        places[i] += n - reached[i];
        n = reached[i];
      }
      places[splitters_.size()] += n;
    });
  }

  // Calls f(number of the first, keys, how many, the places of their chunk), in order within a
  // chunk.
  template <class F>
  void for_each_block_of_keys(F f) {
    parallel_ranges(n_chunks_, 1, [&](RangeQueue& queue) {
      BlockReader reader(in_, in_.dtype.val());
      alignas(64) K keys[BlockReader::kBlock];
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        const int64_t chunk = range.begin;
        for_each_block(reader, line_, chunk * kChunk, std::min(line_.n, (chunk + 1) * kChunk),
                       [&](int64_t first, const void* x, int64_t n) {
                         to_keys_(in_.dtype, x, keys, n);
                         f(first, keys, n, places_.data() + chunk * n_buckets());
                       });
      }
    });
  }

  void counts_to_places() {
    int64_t place = 0;
    for (int64_t b = 0; b < n_buckets(); ++b) {
      Bucket& bucket = buckets_.emplace_back();
      bucket.begin = place;
      for (int64_t chunk = 0; chunk < n_chunks_; ++chunk) {
        int64_t& count = places_[size_t(chunk * n_buckets() + b)];
        place += std::exchange(count, place);
      }
      bucket.end = place;
      const bool is_last = b + 1 == n_buckets();
      bucket.has_one_key =
          b > 0 && splitters_[size_t(b - 1)] == (is_last ? kLargest : K(splitters_[size_t(b)] - 1));
    }
  }

  const View& in_;
  const Line line_;
  const ToKeys to_keys_;
  const int64_t n_chunks_;
  std::vector<K> splitters_;     // ascending
  std::vector<int64_t> places_;  // [chunk, bucket]: how many elements; then where the next one goes
  std::vector<Bucket> buckets_;
};

}  // namespace tarn::cpu
