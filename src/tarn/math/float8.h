// The 8-bit float E4M3 of OCP's "8-bit Floating Point Specification": 1 sign bit, 4 bits of
// exponent, biased by 7, 3 of mantissa. The largest is 448; there is no infinity, and all ones are
// NaN. Codes are held as 32-bit integers.
#pragma once

#include "tarn/math/approx.h"

namespace tarn::math {

inline constexpr int kFloat8Nan = 0x7f;

// The nearest code, halves to even. What is beyond the largest becomes that, infinity too.
template <class T>
TARN_FN IntOf<T> to_float8_e4m3(T x) {
  using Int = IntOf<T>;
  const T magnitude = abs(x);
  const T bounded = select(magnitude > T(448), T(448), magnitude);
  // Half of what is lost, less one if the last bit that stays is even, carries into it.
  const Int is_odd = (bits(bounded) >> 20) & Int(1);
  const Int rounded = (bits(bounded) + Int(0x7ffff) + is_odd) >> 20;
  const Int normal = rounded - Int((127 - 7) << 3);
  // The subnormals are spaced 2^-9 apart, as are the floats from 2^14 on.
  const T grid(0x1p14f);
  const Int subnormal = bits(bounded + grid) - bits(grid);
  const T code = select(bounded < T(0x1p-6f), from_bits(subnormal), from_bits(normal));
  const Int sign = ((bits(x) ^ bits(magnitude)) >> 24) & Int(0x80);
  return bits(select(x != x, from_bits(Int(kFloat8Nan)), code)) | sign;
}

template <class T>
TARN_FN T from_float8_e4m3(IntOf<T> code) {
  using Int = IntOf<T>;
  const Int magnitude = code & Int(0x7f);
  const T subnormal = approx::to_float<T>(magnitude) * T(0x1p-9f);
  const T normal = from_bits((magnitude << 20) + Int((127 - 7) << 23));
  const T y = select(subnormal < T(0x1p-6f), subnormal, normal);
  const T nan_or_y = select(subnormal == T(kFloat8Nan * 0x1p-9f), T(__builtin_nanf("")), y);
  return from_bits(bits(nan_or_y) | (code & Int(0x80)) << 24);
}

}  // namespace tarn::math
