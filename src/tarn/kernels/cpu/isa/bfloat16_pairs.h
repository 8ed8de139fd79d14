// Products of pairs of bfloat16, by the instruction that adds two of them to a float at once. For
// files compiled once per instruction set.
#pragma once

#include <algorithm>
#include <cstring>

#include "tarn/kernels/cpu/isa/matmul_pack.h"

#ifdef __AVX512BF16__

namespace tarn::HWY_NAMESPACE {

// sums + the products of both halves of the lanes. Subnormal numbers count as zero.
TARN_FN hn::Vec<hn::ScalableTag<float>> add_products_of_pairs(hn::Vec<hn::ScalableTag<float>> sums,
                                                              hn::Vec<hn::ScalableTag<float>> a,
                                                              hn::Vec<hn::ScalableTag<float>> b) {
  return decltype(sums){_mm512_dpbf16_ps(sums.raw, reinterpret_cast<__m512bh>(a.raw),
                                         reinterpret_cast<__m512bh>(b.raw))};
}

// Two numbers that follow each other in the depth, in a float that is never computed with.
TARN_FN float bfloat16_pair(bfloat16_t first, bfloat16_t second) {
  const bfloat16_t both[] = {first, second};
  float pair;
  std::memcpy(&pair, both, sizeof pair);
  return pair;
}

// Two rows of n numbers as n pairs.
TARN_FN void pack_row_of_pairs(float* to, const bfloat16_t* first, const bfloat16_t* second,
                               int64_t n) {
  const hn::ScalableTag<uint32_t> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  constexpr int64_t kLanes = Pack<float>::kLanes;
  const auto widened = [&](const bfloat16_t* from) TARN_LAMBDA {
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from)));
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto pairs = hn::Or(widened(first + i), hn::ShiftLeft<16>(widened(second + i)));
    hn::StoreU(pairs, d, reinterpret_cast<uint32_t*>(to + i));
  }
  for (; i < n; ++i) to[i] = bfloat16_pair(first[i], second[i]);
}

// As pack_panel, in pairs along the depth: pair p of column w goes to to[p * to_width + w]. The
// last one of an odd depth ends with a zero.
inline void pack_panel_of_pairs(float* to, int64_t to_width, const bfloat16_t* from,
                                int64_t width_stride, int64_t depth_stride, int64_t width,
                                int64_t depth) {
  const int64_t n_pairs = depth / 2;
  int64_t packed_width = 0;

  if (width_stride == 1) {
    for (int64_t p = 0; p < n_pairs; ++p) {
      const bfloat16_t* const row = from + 2 * p * depth_stride;
      prefetch_row(row + kRowsAhead * depth_stride, width);
      prefetch_row(row + (kRowsAhead + 1) * depth_stride, width);
      pack_row_of_pairs(to + p * to_width, row, row + depth_stride, width);
    }
    packed_width = width;
  } else if (depth_stride == 1) {
    constexpr int64_t kN = 4;
    const int64_t packed_pairs = n_pairs / kN * kN;
    const hn::FixedTag<uint16_t, 8> d16;
    for (; packed_width + kN <= width; packed_width += kN) {
      const bfloat16_t* const rows = from + packed_width * width_stride;
      float* const column = to + packed_width;
      for (int64_t p = 0; p < packed_pairs; p += kN) {
        store_transposed(column + p * to_width, to_width, [&](auto i) TARN_LAMBDA {
          const bfloat16_t* const pairs = rows + i * width_stride + 2 * p;
          return hn::BitCast(Tag16<float>(),
                             hn::LoadU(d16, reinterpret_cast<const uint16_t*>(pairs)));
        });
      }
      for (int64_t p = packed_pairs; p < n_pairs; ++p) {
        for (int64_t w = 0; w < kN; ++w) {
          std::memcpy(column + p * to_width + w, rows + w * width_stride + 2 * p, sizeof(float));
        }
      }
    }
  }
  for (int64_t p = 0; p < n_pairs; ++p) {
    float* const row = to + p * to_width;
    for (int64_t w = packed_width; w < width; ++w) {
      const bfloat16_t* const first = from + w * width_stride + 2 * p * depth_stride;
      row[w] = bfloat16_pair(first[0], first[depth_stride]);
    }
    std::fill(row + width, row + to_width, 0.0f);
  }
  if (depth % 2 == 0) return;
  float* const row = to + n_pairs * to_width;
  for (int64_t w = 0; w < width; ++w) {
    row[w] = bfloat16_pair(from[w * width_stride + (depth - 1) * depth_stride], bfloat16_t{});
  }
  std::fill(row + width, row + to_width, 0.0f);
}

}  // namespace tarn::HWY_NAMESPACE

#endif
