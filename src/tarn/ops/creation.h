// Operations that make arrays from a few numbers.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Element i is start + i * step, both in the dtype of the result.
struct Arange {
  static constexpr OpInfo info{"arange", "start, stop, step", "Numbers at equal distances."};

  double start;
  double step;
};

struct Eye {
  static constexpr OpInfo info{"eye", "n, m, k", "Ones on a diagonal, zeros elsewhere."};

  int k;  // of the diagonal: positive above the main one
};

}  // namespace tarn::ops
