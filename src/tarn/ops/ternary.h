// Elementwise operations of three operands: a name in the list and a struct each.
// See Note [An operation is declared once] in ops/elementwise_op.h.
#pragma once

#include "tarn/math/formulas.h"
#include "tarn/ops/op_info.h"

#define TARN_TERNARY_OPS(X) X(where, Where)

namespace tarn::ops {

using namespace tarn::math;

// The condition is bool (for packs a mask), whatever the dtype of x and y.
struct Where {
  static constexpr OpInfo info{"where", "condition, x, y",
                               "x where the condition is true, else y."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class Mask, class T>
  TARN_FN static T apply(Mask condition, T x, T y) {
    return select(condition, x, y);
  }
};

}  // namespace tarn::ops
