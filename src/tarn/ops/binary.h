// Elementwise operations of two operands: a name in the list and a struct each.
// See Note [An operation is declared once] in ops/elementwise_op.h.
#pragma once

#include "tarn/math/formulas.h"
#include "tarn/ops/op_info.h"

#define TARN_BINARY_OPS(X)       \
  X(add, Add)                    \
  X(arctan2, ArcTan2)            \
  X(bitwise_and, BitwiseAnd)     \
  X(bitwise_or, BitwiseOr)       \
  X(bitwise_xor, BitwiseXor)     \
  X(divide, Divide)              \
  X(equal, Equal)                \
  X(floor_divide, FloorDivide)   \
  X(greater, Greater)            \
  X(greater_equal, GreaterEqual) \
  X(left_shift, LeftShift)       \
  X(less, Less)                  \
  X(less_equal, LessEqual)       \
  X(logaddexp, LogAddExp)        \
  X(logical_and, LogicalAnd)     \
  X(logical_or, LogicalOr)       \
  X(maximum, Maximum)            \
  X(minimum, Minimum)            \
  X(multiply, Multiply)          \
  X(not_equal, NotEqual)         \
  X(power, Power)                \
  X(remainder, Remainder)        \
  X(right_shift, RightShift)     \
  X(subtract, Subtract)

namespace tarn::ops {

using namespace tarn::math;

struct BitwiseAnd {
  static constexpr OpInfo info{"bitwise_and", "x, y", "Bits set in both x and y."};
  static constexpr DtypeRule dtypes = kBitwiseResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x & y);
  }
};

struct BitwiseOr {
  static constexpr OpInfo info{"bitwise_or", "x, y", "Bits set in x or y."};
  static constexpr DtypeRule dtypes = kBitwiseResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x | y);
  }
};

struct BitwiseXor {
  static constexpr OpInfo info{"bitwise_xor", "x, y", "Bits set in one of x and y."};
  static constexpr DtypeRule dtypes = kBitwiseResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x ^ y);
  }
};

struct Add {
  static constexpr OpInfo info{"add", "x, y", "x + y; of booleans, x or y."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  using OnBool = BitwiseOr;
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x + y);
  }
};

struct ArcTan2 {
  static constexpr OpInfo info{"arctan2", "x, y", "Angle of the point (y, x) from the axis of y."};
  static constexpr DtypeRule dtypes = kFloatResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return atan2(x, y);
  }
};

struct Divide {
  static constexpr OpInfo info{"divide", "x, y", "x / y."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return x / y;
  }
};

struct Equal {
  static constexpr OpInfo info{"equal", "x, y", "True where x == y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x == y;
  }
};

struct FloorDivide {
  static constexpr OpInfo info{
      "floor_divide", "x, y",
      "floor(x / y); of integers, x / y without its fraction, 0 where y is 0."};
  static constexpr DtypeRule dtypes = kSameResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return floor_divide(x, y);
  }
};

struct Greater {
  static constexpr OpInfo info{"greater", "x, y", "True where x > y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x > y;
  }
};

struct GreaterEqual {
  static constexpr OpInfo info{"greater_equal", "x, y", "True where x >= y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x >= y;
  }
};

struct LeftShift {
  static constexpr OpInfo info{
      "left_shift", "x, y",
      "x shifted up by y bits; 0 where y is negative or not below the width of x."};
  static constexpr DtypeRule dtypes = kShiftResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return shift_left(x, y);
  }
};

struct Less {
  static constexpr OpInfo info{"less", "x, y", "True where x < y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x < y;
  }
};

struct LessEqual {
  static constexpr OpInfo info{"less_equal", "x, y", "True where x <= y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x <= y;
  }
};

struct LogAddExp {
  static constexpr OpInfo info{"logaddexp", "x, y", "log(exp(x) + exp(y)), without overflow."};
  static constexpr DtypeRule dtypes = kFloatResult;
  static constexpr Domain domain{-80, 80};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return logaddexp(x, y);
  }
};

struct LogicalAnd {
  static constexpr OpInfo info{"logical_and", "x, y", "True where both x and y are nonzero."};
  static constexpr DtypeRule dtypes = kLogicalResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x & y);
  }
};

struct LogicalOr {
  static constexpr OpInfo info{"logical_or", "x, y", "True where x or y is nonzero."};
  static constexpr DtypeRule dtypes = kLogicalResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x | y);
  }
};

struct Maximum {
  static constexpr OpInfo info{"maximum", "x, y",
                               "The larger of x and y; NaN where either is NaN."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return max(x, y);
  }
};

struct Minimum {
  static constexpr OpInfo info{"minimum", "x, y",
                               "The smaller of x and y; NaN where either is NaN."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return min(x, y);
  }
};

struct Multiply {
  static constexpr OpInfo info{"multiply", "x, y", "x * y; of booleans, x and y."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x * y);
  }
};

struct NotEqual {
  static constexpr OpInfo info{"not_equal", "x, y", "True where x != y."};
  static constexpr DtypeRule dtypes = kBoolResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static auto apply(T x, T y) {
    return x != y;
  }
};

struct Power {
  static constexpr OpInfo info{"power", "x, y",
                               "x to the power of y; of integers, 0 where y is negative."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return pow(x, y);
  }
};

struct Remainder {
  static constexpr OpInfo info{
      "remainder", "x, y",
      "What is left of x after division by y, with the sign of y; of integers, 0 where y is 0."};
  static constexpr DtypeRule dtypes = kSameResult.without(kComplexKind);
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return remainder(x, y);
  }
};

struct RightShift {
  static constexpr OpInfo info{
      "right_shift", "x, y",
      "x shifted down by y bits, keeping its sign; all sign bits where y is out of range."};
  static constexpr DtypeRule dtypes = kShiftResult;
  static constexpr Domain domain{};
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return shift_right(x, y);
  }
};

struct Subtract {
  static constexpr OpInfo info{"subtract", "x, y", "x - y; of booleans, x differs from y."};
  static constexpr DtypeRule dtypes = kSameResult;
  static constexpr Domain domain{};
  using OnBool = BitwiseXor;
  template <class T>
  TARN_FN static T apply(T x, T y) {
    return T(x - y);
  }
};

}  // namespace tarn::ops
