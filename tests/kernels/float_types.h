// The floating dtypes, for tests that do the same for each.
#pragma once

#include "tarn/base/dtype.h"
#include "tarn/base/half.h"

namespace tarn {

template <class F>
void for_each_float_type(F f) {
  f(type_tag<float16_t>());
  f(type_tag<bfloat16_t>());
  f(type_tag<float>());
  f(type_tag<double>());
}

}  // namespace tarn
