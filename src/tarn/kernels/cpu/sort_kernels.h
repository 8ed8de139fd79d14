// The inner loops of sorting, one table per instruction set.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// Note [Sort keys]
// Elements are sorted as signed integers of their size. A key names an element bit by bit: keys of
// floats are in the order of IEEE 754, -0 before +0, but that NaNs of either sign come last. A rank
// is the same for elements that are equal: for both zeros, and for all NaNs, whose rank is the
// highest; ranks of other floats are signed magnitudes in two's complement. Ranks and keys of
// integers are the same.

// n elements to n integers or back. `to` may be `from`.
using KeyConverter = void (*)(const void* from, void* to, size_t n);

struct SortKernels {
  // By dtype; null for complex64.
  KeyConverter to_keys[kDtypeCount];
  KeyConverter from_keys[kDtypeCount];
  KeyConverter to_ranks[kDtypeCount];

  // Of integers of 2, 4, 8 and 16 bytes, by kKeyWidth. Those of 16 bytes are hwy::uint128_t, which
  // are only sorted.

  // In ascending order, in place. Requires: n > 0.
  void (*sort[4])(void* keys, size_t n);
  // reached[i] = how many of at most 4096 keys are not below splitters[i].
  void (*count_reached[3])(const void* keys, size_t n, const void* splitters, size_t n_splitters,
                           int64_t* reached);
  // buckets[i] = how many of the ascending splitters, at most 255, are not above keys[i].
  void (*classify[3])(const void* keys, size_t n, const void* splitters, size_t n_splitters,
                      uint8_t* buckets);
  // Copies the keys that are above the threshold and returns how many they are. May write up to 64
  // bytes past them.
  size_t (*keep_above[3])(const void* keys, size_t n, const void* threshold, void* out);
};

template <class K>
requires(sizeof(K) > 1) inline constexpr int kKeyWidth = std::countr_zero(sizeof(K)) - 1;

// Those of the instruction set that kernels() has chosen.
const SortKernels& sort_kernels();

// Those of all instruction sets that this CPU can run, widest first.
std::span<const SortKernels> runnable_sort_kernels();

}  // namespace tarn::cpu
