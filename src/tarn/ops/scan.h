// Scans: which exist, and the dtypes they go from and to.
#pragma once

#include "tarn/base/dtype.h"
#include "tarn/ops/op_info.h"

#define TARN_SCAN_OPS(X)                                   \
  X(cummax, "The largest element so far; NaN after one.")  \
  X(cummin, "The smallest element so far; NaN after one.") \
  X(cumprod, "The product of the elements so far.")        \
  X(cumsum, "The sum of the elements so far.")             \
  X(logcumsumexp, "The logarithm of the sum of exponentials so far.")

namespace tarn {

enum class ScanOp : unsigned char {
#define TARN_ENUMERATOR(name, doc) name,
  TARN_SCAN_OPS(TARN_ENUMERATOR)
#undef TARN_ENUMERATOR
};

inline constexpr OpInfo kScanInfo[] = {
#define TARN_INFO(name, doc) {#name, "a, axis=None, reverse=False, inclusive=True", doc},
    TARN_SCAN_OPS(TARN_INFO)
#undef TARN_INFO
};
inline constexpr int kScanOpCount = sizeof(kScanInfo) / sizeof(kScanInfo[0]);

// Which elements "so far" means.
struct ScanOrder {
  bool reverse;    // those behind an element rather than those before it
  bool inclusive;  // and the element itself
};

namespace ops {

// Along an axis, each element combined with those before it. The output has the input's shape and
// dtype, but that there is no sum of bools and no logcumsumexp of integers.
struct Scan {
  static constexpr OpInfo info{"scan", "a, axis, reverse, inclusive",
                               "Each element combined with those before it."};
  static constexpr bool kMayOverwriteInput = true;

  ScanOp op;
  int axis;
  ScanOrder order;
};

}  // namespace ops
}  // namespace tarn
