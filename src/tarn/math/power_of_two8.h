// The 8-bit power of two E8M0 of OCP's "Microscaling Formats (MX)": code n is 2^(n - 127), 255 is
// NaN. Codes are held as 32-bit integers.
#pragma once

#include "tarn/math/scalar.h"

namespace tarn::math {

// The power with the nearest logarithm, 2^-127 for zero, NaN for what is not finite.
// Requires: x is not negative.
template <class T>
TARN_FN IntOf<T> to_power_of_two8(T x) {
  using Int = IntOf<T>;
  // A mantissa past that of the root of two carries into the exponent.
  const Int code = (bits(x) + Int(0x800000 - 0x3504f4)) >> 23;
  const T bounded = from_bits(min(code, Int(254)));
  return bits(select(x < T(__builtin_inff()), bounded, from_bits(Int(255))));
}

template <class T>
TARN_FN T from_power_of_two8(IntOf<T> code) {
  using Int = IntOf<T>;
  const Int exponent = code << 23;
  const Int nan_bit = ((code + Int(1)) >> 8) << 22;
  // The smallest is subnormal.
  return from_bits(max(exponent, Int(0x400000)) | nan_bit);
}

}  // namespace tarn::math
