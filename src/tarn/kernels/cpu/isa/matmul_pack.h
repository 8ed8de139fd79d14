// Brings parts of a matrix into the order in which the products read them, as the type that sums
// are kept in. For files compiled once per instruction set.
#pragma once

#include <hwy/cache_control.h>

#include <algorithm>
#include <utility>

#include "tarn/kernels/cpu/isa/element.h"

namespace tarn::HWY_NAMESPACE {

// Vectors of 16 bytes: small enough to transpose a square of them in registers.
template <class T>
using Tag16 = hn::FixedTag<T, 16 / sizeof(T)>;

template <class E>
TARN_FN hn::Vec<Tag16<ComputeOf<E>>> load16(const E* p) {
  return load_lanes(Tag16<ComputeOf<E>>(), p);
}

template <class T, class E>
TARN_FN void pack_row(T* to, const E* from, int64_t n) {
  constexpr int64_t kLanes = kElementsPerPack<E>;
  const hn::ScalableTag<T> d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(load(from + i).v, d, to + i);
  for (; i < n; ++i) to[i] = static_cast<T>(from[i]);
}

// Transposes a square: to[p * to_stride + w] = element p of load(w), which gives 16 bytes.
template <class T, class Load>
TARN_FN void store_transposed(T* to, int64_t to_stride, Load load) {
  const Tag16<T> d;
  constexpr int kN = 16 / sizeof(T);
  hn::Vec<Tag16<T>> rows[kN];
  unrolled<kN>([&](auto i) TARN_LAMBDA { rows[i] = load(i); });
  unrolled<kN == 4 ? 2 : 1>([&](auto) TARN_LAMBDA {
    hn::Vec<Tag16<T>> next[kN];
    unrolled<kN / 2>([&](auto i) TARN_LAMBDA {
      next[2 * i] = hn::InterleaveLower(d, rows[i], rows[i + kN / 2]);
      next[2 * i + 1] = hn::InterleaveUpper(d, rows[i], rows[i + kN / 2]);
    });
    unrolled<kN>([&](auto i) TARN_LAMBDA { rows[i] = next[i]; });
  });
  unrolled<kN>([&](auto i) TARN_LAMBDA { hn::StoreU(rows[i], d, to + i * to_stride); });
}

// to[p * to_stride + w] = from[w * from_stride + p].
template <class T, class E>
TARN_FN void pack_square(T* to, int64_t to_stride, const E* from, int64_t from_stride) {
  store_transposed(to, to_stride,
                   [&](auto i) TARN_LAMBDA { return load16(from + i * from_stride); });
}

// Rows of a matrix that are read a few elements at a time, far apart: no prefetcher sees the next.
constexpr int64_t kRowsAhead = 8;

template <class E>
TARN_FN void prefetch_row(const E* from, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(E);
  for (int64_t i = 0; i < n; i += kLine) hwy::Prefetch(from + i);
}

// A panel: to[p * to_width + w] = from(w, p) for w < width and p < depth, and zero for the other w.
template <class T, class E>
void pack_panel(T* to, int64_t to_width, const E* from, int64_t width_stride, int64_t depth_stride,
                int64_t width, int64_t depth) {
  int64_t packed_width = 0;

  if (width_stride == 1) {
    for (int64_t p = 0; p < depth; ++p) {
      prefetch_row(from + (p + kRowsAhead) * depth_stride, width);
      pack_row(to + p * to_width, from + p * depth_stride, width);
    }
    packed_width = width;
  } else if (depth_stride == 1) {
    constexpr int64_t kN = 16 / sizeof(T);
    const int64_t packed_depth = depth / kN * kN;
    for (; packed_width + kN <= width; packed_width += kN) {
      T* const column = to + packed_width;
      const E* const rows = from + packed_width * width_stride;
      for (int64_t p = 0; p < packed_depth; p += kN) {
        pack_square(column + p * to_width, to_width, rows + p, width_stride);
      }
      for (int64_t p = packed_depth; p < depth; ++p) {
        for (int64_t w = 0; w < kN; ++w) {
          column[p * to_width + w] = static_cast<T>(rows[w * width_stride + p]);
        }
      }
    }
  }
  for (int64_t p = 0; p < depth; ++p) {
    T* const row = to + p * to_width;
    for (int64_t w = packed_width; w < width; ++w) {
      row[w] = static_cast<T>(from[w * width_stride + p * depth_stride]);
    }
    std::fill(row + width, row + to_width, T{0});
  }
}

}  // namespace tarn::HWY_NAMESPACE
