// Each element combined with those before it along an axis.
#pragma once

#include <optional>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// The shape is that of `a`; without an axis, scans go through the flat array. In reverse they begin
// at the end; exclusive ones leave the element itself out and begin with the value of nothing.
// An axis out of range throws std::invalid_argument.

// Of `dtype`, which `a` is cast to first; else of that of `a`, but int32 for a sum of bools. Floats
// of up to 32 bits are carried in double. Integers wrap.
#define TARN_DECLARE_SCAN(name)                                                                 \
  array name(const array& a, bool reverse = false, bool inclusive = true,                       \
             std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});                 \
  array name(const array& a, int axis, bool reverse = false, bool inclusive = true,             \
             std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});                 \
  inline array name(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {           \
    return name(a, reverse, inclusive, std::nullopt, s);                                        \
  }                                                                                             \
  inline array name(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) { \
    return name(a, axis, reverse, inclusive, std::nullopt, s);                                  \
  }
TARN_DECLARE_SCAN(cumprod)
TARN_DECLARE_SCAN(cumsum)
#undef TARN_DECLARE_SCAN

// Of the dtype of `a`, but that logcumsumexp of integers is float32. Extremes are NaN from the
// first NaN on; nothing is the lowest or the highest number of the dtype.
#define TARN_DECLARE_SCAN(name)                                                                   \
  array name(const array& a, bool reverse = false, bool inclusive = true, StreamOrDevice s = {}); \
  array name(const array& a, int axis, bool reverse = false, bool inclusive = true,               \
             StreamOrDevice s = {});
TARN_DECLARE_SCAN(cummax)
TARN_DECLARE_SCAN(cummin)
TARN_DECLARE_SCAN(logcumsumexp)
#undef TARN_DECLARE_SCAN

}  // namespace tarn
