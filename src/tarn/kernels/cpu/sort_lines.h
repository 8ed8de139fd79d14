// The lines that sorting goes through, and how the integers that stand for their elements are
// sorted. Shared by the operations of sort.h; not for use outside their files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/sort_kernels.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

// n elements of an array, `stride` apart.
struct Line {
  int64_t offset, stride, n;
};

// Calls f(number of the first element, elements, how many) for adjacent copies of parts of a line,
// or for the elements themselves where they are adjacent.
template <class F>
void for_each_block(BlockReader& reader, const Line& line, int64_t begin, int64_t end, F f) {
  for (int64_t i = begin; i < end; i += BlockReader::kBlock) {
    const int64_t n = std::min(BlockReader::kBlock, end - i);
    f(i, reader.read_run(line.offset + i * line.stride, line.stride, n), n);
  }
}

// The lines of an array along its last axis.
class Lines {
 public:
  // Requires: the array has elements.
  explicit Lines(const View& in)
      : axis_(in.ndim - 1), layout_(split_axes(in, {&axis_, 1})), n_(in.shape[axis_]) {}

  int64_t count() const { return layout_.kept.size; }
  int64_t length() const { return n_; }
  // Whether they are long and too few to give each thread some of its own.
  bool are_for_all_threads() const { return n_ >= kLongLine && count() < 4 * num_threads(); }

  // Calls f(number of the line, the line) for the lines of a range.
  template <class F>
  void for_each(RangeQueue::Range range, F&& f) const {
    const Walk& kept = layout_.kept;
    StridedIndex<1> index(kept.dims(), {kept.strides.data()});
    index.seek(range.begin);
    for (int64_t i = range.begin; i < range.end; ++i, index.next()) {
      f(i, Line{index.offset(0), layout_.reduced.inner_stride(), n_});
    }
  }

  // Calls make(reader of `in`) on each thread, and what that returns with (number, line) for each
  // line.
  template <class Make>
  void for_each_in_parallel(const View& in, Make make) const {
    parallel_ranges(count(), std::max<int64_t>(1, kElementsPerRange / n_), [&](RangeQueue& queue) {
      BlockReader reader(in, in.dtype.val());
      auto sort_line = make(reader);
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for_each(range, sort_line);
      }
    });
  }

 private:
  static constexpr int64_t kLongLine = 256 << 10;
  static constexpr int64_t kElementsPerRange = 32 << 10;

  const int axis_;
  const ReduceLayout layout_;
  const int64_t n_;
};

// Up to this many, the set-up of a vectorized sort takes longer than all of another.
inline constexpr int64_t kShortSort = 8;

template <class Item>
void sort_items(Item* items, int64_t n) {
  if (n <= kShortSort) {
    std::sort(items, items + n);
  } else {
    sort_kernels().sort[kKeyWidth<Item>](items, size_t(n));
  }
}

// Of 256 different keys it is faster to count them, if they are many.
inline void sort_items(int8_t* keys, int64_t n) {
  constexpr int64_t kFew = 32;
  if (n <= kFew) return std::sort(keys, keys + n);
  // Four counts of each key, because neighbours are often equal.
  int64_t counts[4][256] = {};
  for (int64_t i = 0; i < n; ++i) ++counts[i % 4][uint8_t(keys[i] ^ INT8_MIN)];
  for (int key = 0; key < 256; ++key) {
    const int64_t count = counts[0][key] + counts[1][key] + counts[2][key] + counts[3][key];
    std::memset(keys, key ^ INT8_MIN, size_t(count));
    keys += count;
  }
}

// See Note [Sort keys].
template <class K>
void to_keys(Dtype dtype, const void* x, K* keys, int64_t n) {
  sort_kernels().to_keys[int(dtype.val())](x, keys, size_t(n));
}

}  // namespace tarn::cpu
