// Elementwise operations of one operand that are functions of analysis, of integers in float32: a
// name in the list and a struct each. See Note [An operation is declared once] in
// ops/elementwise_op.h.
#pragma once

#include "tarn/math/formulas.h"
#include "tarn/ops/op_info.h"

#define TARN_ELEMENTARY_OPS(X) \
  X(arccos, ArcCos)            \
  X(arccosh, ArcCosh)          \
  X(arcsin, ArcSin)            \
  X(arcsinh, ArcSinh)          \
  X(arctan, ArcTan)            \
  X(arctanh, ArcTanh)          \
  X(cos, Cos)                  \
  X(cosh, Cosh)                \
  X(erf, Erf)                  \
  X(erfinv, ErfInv)            \
  X(exp, Exp)                  \
  X(expm1, Expm1)              \
  X(log, Log)                  \
  X(log10, Log10)              \
  X(log1p, Log1p)              \
  X(log2, Log2)                \
  X(rsqrt, Rsqrt)              \
  X(sigmoid, Sigmoid)          \
  X(sin, Sin)                  \
  X(sinh, Sinh)                \
  X(sqrt, Sqrt)                \
  X(tan, Tan)                  \
  X(tanh, Tanh)

namespace tarn::ops {

// Formulas name their functions unqualified: scalars find them here, packs in their own namespace.
using namespace tarn::math;

struct ArcCos {
  static constexpr OpInfo info{"arccos", "x",
                               "Angle whose cosine is each element; NaN beyond -1 and 1."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-1, 1};
  template <class T>
  TARN_FN static T apply(T x) {
    return acos(x);
  }
};

struct ArcCosh {
  static constexpr OpInfo info{"arccosh", "x",
                               "Inverse hyperbolic cosine of each element; NaN below 1."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{1, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return acosh(x);
  }
};

struct ArcSin {
  static constexpr OpInfo info{"arcsin", "x",
                               "Angle whose sine is each element; NaN beyond -1 and 1."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-1, 1};
  template <class T>
  TARN_FN static T apply(T x) {
    return asin(x);
  }
};

struct ArcSinh {
  static constexpr OpInfo info{"arcsinh", "x", "Inverse hyperbolic sine of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return asinh(x);
  }
};

struct ArcTan {
  static constexpr OpInfo info{"arctan", "x", "Angle whose tangent is each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-10, 10};
  template <class T>
  TARN_FN static T apply(T x) {
    return atan(x);
  }
};

struct ArcTanh {
  static constexpr OpInfo info{"arctanh", "x",
                               "Inverse hyperbolic tangent of each element; NaN beyond -1 and 1."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-1, 1};
  template <class T>
  TARN_FN static T apply(T x) {
    return atanh(x);
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

struct Cosh {
  static constexpr OpInfo info{"cosh", "x", "Hyperbolic cosine of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-80, 80};
  template <class T>
  TARN_FN static T apply(T x) {
    return cosh(x);
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

struct ErfInv {
  static constexpr OpInfo info{"erfinv", "x",
                               "Number whose error function is each element; NaN beyond -1 and 1."};
  static constexpr DtypeRule dtypes = kFloatResult.without(kComplexKind);
  static constexpr Domain domain{-1, 1};
  template <class T>
  TARN_FN static T apply(T x) {
    return erfinv(x);
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

struct Expm1 {
  static constexpr OpInfo info{"expm1", "x", "exp(x) - 1 of each element, accurate near 0."};
  static constexpr DtypeRule dtypes = kFloatResult.without(kComplexKind);
  static constexpr Domain domain{-20, 80};
  template <class T>
  TARN_FN static T apply(T x) {
    return expm1(x);
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

struct Log10 {
  static constexpr OpInfo info{"log10", "x", "Logarithm to base 10 of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{0, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return log10(x);
  }
};

struct Log1p {
  static constexpr OpInfo info{"log1p", "x", "log(1 + x) of each element, accurate near 0."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-1, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return log1p(x);
  }
};

struct Log2 {
  static constexpr OpInfo info{"log2", "x", "Logarithm to base 2 of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{0, 1000};
  template <class T>
  TARN_FN static T apply(T x) {
    return log2(x);
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

struct Sin {
  static constexpr OpInfo info{"sin", "x", "Sine of each element, in radians."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return sin(x);
  }
};

struct Sinh {
  static constexpr OpInfo info{"sinh", "x", "Hyperbolic sine of each element."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-80, 80};
  template <class T>
  TARN_FN static T apply(T x) {
    return sinh(x);
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

struct Tan {
  static constexpr OpInfo info{"tan", "x", "Tangent of each element, in radians."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x) {
    return tan(x);
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
