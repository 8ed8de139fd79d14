// Elementwise operations of one operand: a name in the list and a struct each.
// See Note [An operation is declared once] in ops/elementwise_op.h.
#pragma once

#include "tarn/math/formulas.h"
#include "tarn/ops/elementary.h"
#include "tarn/ops/op_info.h"

#define TARN_UNARY_OPS(X)          \
  TARN_ELEMENTARY_OPS(X)           \
  X(abs, Abs)                      \
  X(bitwise_invert, BitwiseInvert) \
  X(ceil, Ceil)                    \
  X(conjugate, Conjugate)          \
  X(floor, Floor)                  \
  X(from_fp8, FromFp8)             \
  X(imag, Imag)                    \
  X(isfinite, IsFinite)            \
  X(isinf, IsInf)                  \
  X(isnan, IsNan)                  \
  X(logical_not, LogicalNot)       \
  X(negative, Negative)            \
  X(real, Real)                    \
  X(reciprocal, Reciprocal)        \
  X(round, Round)                  \
  X(sign, Sign)                    \
  X(square, Square)                \
  X(to_fp8, ToFp8)                 \
  X(trunc, Trunc)

namespace tarn::ops {

struct Abs {
  static constexpr OpInfo info{"abs", "x", "Magnitude of each element."};
  static constexpr DtypeRule dtypes = kMagnitudeResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return abs(x);
  }
};

struct LogicalNot {
  static constexpr OpInfo info{"logical_not", "x", "True where an element is zero."};
  static constexpr DtypeRule dtypes = kLogicalResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return x == T(0);
  }
};

struct BitwiseInvert {
  static constexpr OpInfo info{"bitwise_invert", "x", "Every bit of each element flipped."};
  static constexpr DtypeRule dtypes = kBitwiseResult;
  static constexpr Domain domain{};
  using OnBool = LogicalNot;
  template <class T>
  TARN_FN static T apply(T x) {
    return T(~x);
  }
};

struct Ceil {
  static constexpr OpInfo info{"ceil", "x", "Smallest integer not below each element."};
  static constexpr DtypeRule dtypes = kRoundedResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return ceil(x);
  }
};

struct Conjugate {
  static constexpr OpInfo info{"conjugate", "x",
                               "Each element with the sign of its imaginary part changed."};
  static constexpr DtypeRule dtypes = kSameResult.leaving(kRealKinds);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return conjugate(x);
  }
};

struct Floor {
  static constexpr OpInfo info{"floor", "x", "Largest integer not above each element."};
  static constexpr DtypeRule dtypes = kRoundedResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return floor(x);
  }
};

struct FromFp8 {
  static constexpr OpInfo info{"from_fp8", "x", "Value of each 8-bit float (E4M3)."};
  static constexpr DtypeRule dtypes = kFromFp8Result;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return from_float8_e4m3<FloatOf<T>>(x);
  }
};

struct Imag {
  static constexpr OpInfo info{"imag", "x", "Imaginary part of each element: 0 of real dtypes."};
  static constexpr DtypeRule dtypes = kMagnitudeResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return imag(x);
  }
};

struct IsFinite {
  static constexpr OpInfo info{"isfinite", "x",
                               "True where an element is neither infinite nor NaN."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return isfinite(x);
  }
};

struct IsInf {
  static constexpr OpInfo info{"isinf", "x", "True where an element is infinite."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return isinf(x);
  }
};

struct IsNan {
  static constexpr OpInfo info{"isnan", "x", "True where an element is NaN."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return isnan(x);
  }
};

struct Negative {
  static constexpr OpInfo info{"negative", "x", "Each element with its sign changed."};
  static constexpr DtypeRule dtypes = kSameResult.without(kBoolKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return T(-x);
  }
};

struct Real {
  static constexpr OpInfo info{"real", "x", "Real part of each element."};
  static constexpr DtypeRule dtypes = kMagnitudeResult.leaving(kRealKinds);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x) {
    return real(x);
  }
};

struct Reciprocal {
  static constexpr OpInfo info{"reciprocal", "x", "1 / x of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return T(1) / x;
  }
};

struct Round {
  static constexpr OpInfo info{"round", "x", "Nearest integer to each element, halves to even."};
  static constexpr DtypeRule dtypes = kRoundedResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return round_even(x);
  }
};

// The sign of NaN is 0, as in MLX.
struct Sign {
  static constexpr OpInfo info{
      "sign", "x", "-1, 0 or 1 as each element is below, at or above zero; of complex x, x / |x|."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return sign(x);
  }
};

struct Square {
  static constexpr OpInfo info{"square", "x", "Each element times itself."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return T(x * x);
  }
};

struct ToFp8 {
  static constexpr OpInfo info{
      "to_fp8", "x", "Code of the nearest 8-bit float (E4M3) to each element, at most 448."};
  static constexpr DtypeRule dtypes = kToFp8Result;
  static constexpr Domain domain{-500, 500};
  template <class T>
  TARN_FN static auto apply(T x) {
    return to_float8_e4m3(x);
  }
};

struct Trunc {
  static constexpr OpInfo info{"trunc", "x", "Each element without its fraction."};
  static constexpr DtypeRule dtypes = kRoundedResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return trunc(x);
  }
};

}  // namespace tarn::ops
