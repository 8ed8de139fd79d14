// The 4-bit float E2M1 of OCP's "Microscaling Formats (MX)": 1 sign bit, 2 bits of exponent, biased
// by 1, 1 of mantissa. There is no infinity and no NaN. Codes are held as 32-bit integers.
#pragma once

#include "tarn/math/scalar.h"

namespace tarn::math {

// By code; from 8 on follow the negatives.
inline constexpr float kFloat4Values[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
inline constexpr float kFloat4Max = 6;

// The nearest code, halves to even. What is beyond the largest becomes that, and so does NaN.
template <class T>
TARN_FN IntOf<T> to_float4_e2m1(T x) {
  using Int = IntOf<T>;
  const T magnitude = abs(x);
  const T bounded = select(magnitude < T(kFloat4Max), magnitude, T(kFloat4Max));
  // Half of what is lost, less one if the last bit that stays is even, carries into it.
  const Int is_odd = (bits(bounded) >> 22) & Int(1);
  const Int normal = ((bits(bounded) + Int(0x1fffff) + is_odd) >> 22) - Int((127 - 1) << 1);
  // The numbers below 1 are spaced 0.5 apart, as are the floats from 2^22 on.
  const T grid(0x1p22f);
  const Int subnormal = bits(bounded + grid) - bits(grid);
  const T code = select(bounded < T(1), from_bits(subnormal), from_bits(normal));
  const Int sign = ((bits(x) ^ bits(magnitude)) >> 28) & Int(8);
  return bits(code) | sign;
}

}  // namespace tarn::math
