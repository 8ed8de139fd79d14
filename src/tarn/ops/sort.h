// Order along the last axis. Everywhere a NaN is larger than any number, and a complex number is
// one if a part of it is.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Ascending, and stable.
struct Sort {
  static constexpr OpInfo info{"sort", "a, axis=-1", "The elements in ascending order."};
};

// The positions, uint32, of the elements in ascending order; stable.
struct ArgSort {
  static constexpr OpInfo info{"argsort", "a, axis=-1", "Where the elements in order are."};
};

// The k largest, in any order.
struct TopK {
  static constexpr OpInfo info{"topk", "a, k, axis=-1", "The k largest elements."};

  int k;
};

// For each element of the second input, how many of the first, a sorted vector of the same dtype,
// are below it, or with `right` not above it: uint32.
struct SearchSorted {
  static constexpr OpInfo info{"searchsorted", "sorted_sequence, values, side='left'",
                               "Where values belong in a sorted vector."};

  bool right;
};

}  // namespace tarn::ops
