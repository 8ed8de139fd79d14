// The functions that operations are made of, for scalars: elementary functions, and what MLX's
// interface means by division, remainder, shifts and powers of each type. What is written here once
// for T serves packs too.
#pragma once

#include "tarn/math/error_function.h"
#include "tarn/math/exponential.h"
#include "tarn/math/float8.h"
#include "tarn/math/logarithm.h"
#include "tarn/math/scalar.h"
#include "tarn/math/trigonometry.h"
#if !defined(__CUDACC__) && !defined(__CUDACC_RTC__)
#include "tarn/math/complex_formulas.h"
#endif

namespace tarn::math {

// Functions of one operand: those that are written for float alone, of double the C library's; and
// those that are written for both.
#define TARN_FLOAT_FUNCTIONS(X) \
  X(acos)                       \
  X(acosh)                      \
  X(asin)                       \
  X(asinh)                      \
  X(atan)                       \
  X(atanh)                      \
  X(cos)                        \
  X(cosh)                       \
  X(erf)                        \
  X(expm1)                      \
  X(log10)                      \
  X(log2)                       \
  X(sin)                        \
  X(sinh)                       \
  X(tan)                        \
  X(tanh)
#define TARN_FLOAT_AND_DOUBLE_FUNCTIONS(X) \
  X(exp)                                   \
  X(log)                                   \
  X(log1p)

#define TARN_SCALAR_FUNCTION(name)                        \
  TARN_FN float name(float x) { return approx::name(x); } \
  TARN_FN double name(double x) { return ::name(x); }
TARN_FLOAT_FUNCTIONS(TARN_SCALAR_FUNCTION)
#undef TARN_SCALAR_FUNCTION
#define TARN_SCALAR_FUNCTION(name)                        \
  TARN_FN float name(float x) { return approx::name(x); } \
  TARN_FN double name(double x) { return approx::name(x); }
TARN_FLOAT_AND_DOUBLE_FUNCTIONS(TARN_SCALAR_FUNCTION)
#undef TARN_SCALAR_FUNCTION

TARN_FN float erfinv(float x) { return approx::erfinv(x); }
TARN_FN double erfinv(double x) { return approx::erfinv_of_double(x); }
TARN_FN float atan2(float y, float x) { return approx::atan2(y, x); }
TARN_FN double atan2(double y, double x) { return ::atan2(y, x); }
TARN_FN float logaddexp(float x, float y) { return approx::logaddexp(x, y); }
TARN_FN double logaddexp(double x, double y) { return approx::logaddexp(x, y); }

template <class T>
TARN_FN T sigmoid(T x) {
  return approx::sigmoid(x);
}

template <class T>
TARN_FN auto isnan(T x) {
  return x != x;
}
template <class T>
TARN_FN auto isinf(T x) {
  if constexpr (kIsFloat<LaneOf<T>>) {
    return abs(x) == T(__builtin_inff());
  } else {
    return x != x;
  }
}
template <class T>
TARN_FN auto isfinite(T x) {
  if constexpr (kIsFloat<LaneOf<T>>) {
    return abs(x) < T(__builtin_inff());
  } else {
    return x == x;
  }
}

// Of a real x; complex_formulas.h has those of complex numbers.
template <class T>
TARN_FN T imag(T) {
  return T(0);
}

// -1, 0 or 1; 0 of NaN.
template <class T>
TARN_FN T sign(T x) {
  const T positive = select(x > T(0), T(1), T(0));
  if constexpr (LaneOf<T>(-1) < LaneOf<T>(0)) {
    return select(x < T(0), T(-1), positive);
  } else {
    return positive;
  }
}

// Integers: the quotient without its fraction; 0 where y is 0, and the smallest integer over -1 is
// itself.
template <class T>
TARN_FN T floor_divide(T x, T y) {
  if constexpr (kIsFloat<LaneOf<T>>) {
    return floor(x / y);
  } else {
    if (y == T(0)) return T(0);
    if (T(-1) < T(0) && y == T(-1)) return T(0 - uint64_t(x));
    return T(x / y);
  }
}

// With the sign of y, as Python's %. Floats: exact but for one rounding where the signs differ.
template <class T>
TARN_FN T remainder(T x, T y) {
  if constexpr (kIsFloat<LaneOf<T>>) {
    // With a quotient of few bits, quotient * y and x cancel exactly. The quotient is one too large
    // where x / y was rounded up to an integer; then the difference has the other sign, which the
    // step to the sign of y takes care of.
    const T quotient = trunc(x / y);
    const T difference = fma(-quotient, y, x);
    const T r = select((difference != T(0)) & ((difference < T(0)) != (y < T(0))), difference + y,
                       difference);
    const auto is_exact = (abs(quotient) < T(0x1p22f)) & (abs(y) < T(__builtin_inff()));
    return replace_where(
        !is_exact, r,
        [](auto lane_x, auto lane_y) {
          const auto lane_r =
              sizeof(lane_x) == 4 ? ::fmodf(lane_x, lane_y) : ::fmod(lane_x, lane_y);
          return lane_r != 0 && (lane_r < 0) != (lane_y < 0) ? lane_r + lane_y : lane_r;
        },
        x, y);
  } else {
    if (y == T(0) || (T(-1) < T(0) && y == T(-1))) return T(0);
    const T r = T(x % y);
    return r != 0 && (r < 0) != (y < 0) ? T(r + y) : r;
  }
}

TARN_FN float pow(float x, float y) { return approx::pow(x, y); }
TARN_FN double pow(double x, double y) { return ::pow(x, y); }

// Modulo 2^bits; 0 for negative exponents.
template <class T>
TARN_FN T pow(T x, T y) {
  if (y < T(0)) return T(0);
  uint64_t power = 1;
  uint64_t square = uint64_t(x);
  for (uint64_t exponent = uint64_t(y); exponent != 0; exponent >>= 1) {
    if (exponent & 1) power *= square;
    square *= square;
  }
  return T(power);
}

// Shifts by a negative number of bits, or by the width or more, have shifted every bit out.
template <class T>
TARN_FN T shift_left(T x, T y) {
  constexpr uint64_t kWidth = 8 * sizeof(T);
  return uint64_t(y) < kWidth ? T(uint64_t(x) << (uint64_t(y) & 63)) : T(0);
}
template <class T>
TARN_FN T shift_right(T x, T y) {
  constexpr uint64_t kWidth = 8 * sizeof(T);
  if (uint64_t(y) < kWidth) return T(x >> y);
  return T(-1) < T(0) && x < T(0) ? T(-1) : T(0);
}

}  // namespace tarn::math
