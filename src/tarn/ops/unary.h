// Elementwise operations of one operand: a name in the list and a struct each.
// See Note [An operation is declared once] in ops/elementwise_op.h.
#pragma once

#include "tarn/math/formulas.h"
#include "tarn/ops/op_info.h"

#define TARN_UNARY_OPS(X)          \
  X(abs, Abs)                      \
  X(bitwise_invert, BitwiseInvert) \
  X(ceil, Ceil)                    \
  X(cos, Cos)                      \
  X(erf, Erf)                      \
  X(exp, Exp)                      \
  X(floor, Floor)                  \
  X(isfinite, IsFinite)            \
  X(isinf, IsInf)                  \
  X(isnan, IsNan)                  \
  X(log, Log)                      \
  X(logical_not, LogicalNot)       \
  X(negative, Negative)            \
  X(round, Round)                  \
  X(rsqrt, Rsqrt)                  \
  X(sigmoid, Sigmoid)              \
  X(sign, Sign)                    \
  X(sin, Sin)                      \
  X(sqrt, Sqrt)                    \
  X(square, Square)                \
  X(tanh, Tanh)

namespace tarn::ops {

// Formulas name their functions unqualified: scalars find them here, packs in their own namespace.
using namespace tarn::math;

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
  static constexpr DtypeRule dtypes = kSameResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return ceil(x);
  }
};

struct Cos {
  static constexpr OpInfo info{"cos", "x", "Cosine of each element, in radians."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return cos(x);
  }
};

struct Erf {
  static constexpr OpInfo info{"erf", "x", "Error function of each element."};
  static constexpr DtypeRule dtypes = kFloatResult.without(kComplexKind);
  static constexpr Domain domain{-5, 5};
  template <class T>
  TARN_FN static T apply(T x) {
    return erf(x);
  }
};

struct Exp {
  static constexpr OpInfo info{"exp", "x", "Exponential of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-80, 80};
  template <class T>
  TARN_FN static T apply(T x) {
    return exp(x);
  }
};

struct Floor {
  static constexpr OpInfo info{"floor", "x", "Largest integer not above each element."};
  static constexpr DtypeRule dtypes = kSameResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return floor(x);
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

struct Log {
  static constexpr OpInfo info{"log", "x", "Natural logarithm of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{0, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return log(x);
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

struct Round {
  static constexpr OpInfo info{"round", "x", "Nearest integer to each element, halves to even."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return round_even(x);
  }
};

struct Rsqrt {
  static constexpr OpInfo info{"rsqrt", "x", "Reciprocal of the square root of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{0, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return T(1) / sqrt(x);
  }
};

struct Sigmoid {
  static constexpr OpInfo info{"sigmoid", "x", "1 / (1 + exp(-x)) of each element."};
  static constexpr DtypeRule dtypes = kFloatResult.without(kComplexKind);
  static constexpr Domain domain{-20, 20};
  template <class T>
  TARN_FN static T apply(T x) {
    return sigmoid(x);
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

struct Sin {
  static constexpr OpInfo info{"sin", "x", "Sine of each element, in radians."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return sin(x);
  }
};

struct Sqrt {
  static constexpr OpInfo info{"sqrt", "x", "Square root of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{0, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return sqrt(x);
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

struct Tanh {
  static constexpr OpInfo info{"tanh", "x", "Hyperbolic tangent of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-10, 10};
  template <class T>
  TARN_FN static T apply(T x) {
    return tanh(x);
  }
};

}  // namespace tarn::ops
