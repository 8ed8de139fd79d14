// Pack<E>: a SIMD register of lanes of type E, with the vocabulary of scalar.h, so that formulas
// written for scalars run on it. Lives in the namespace of the instruction set it is compiled for:
// symbols of two builds never meet.
//
// Only for files that are compiled once per instruction set.
#pragma once

#include <hwy/highway.h>

#include <type_traits>

#include "tarn/math/formulas.h"

namespace tarn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class E>
struct Pack {
  using D = hn::ScalableTag<E>;
  static constexpr size_t kLanes = hn::MaxLanes(D());

  hn::Vec<D> v;

  Pack() = default;
  TARN_FN Pack(hn::Vec<D> x) : v(x) {}
  template <class S>
  requires std::is_arithmetic_v<S> TARN_FN explicit Pack(S x)
      : v(hn::Set(D(), static_cast<E>(x))) {}
};

// One truth value per lane of a Pack<E>.
template <class E>
struct Mask {
  using D = hn::ScalableTag<E>;

  hn::Mask<D> m;

  TARN_FN Mask(hn::Mask<D> x) : m(x) {}
};

template <class E>
inline constexpr bool kIsFloatLane = std::is_floating_point_v<E>;

// For what the instruction set lacks: f on one lane at a time. The trip count is constant, so
// compilers vectorize it if they can.
template <class E, class F, class... P>
TARN_FN Pack<E> lanewise(F f, Pack<E> x, P... rest) {
  using D = typename Pack<E>::D;
  constexpr size_t kLanes = Pack<E>::kLanes;
  constexpr size_t kOperands = 1 + sizeof...(P);
  HWY_ALIGN E lanes[kOperands][kLanes];
  size_t i = 0;
  hn::Store(x.v, D(), lanes[i++]);
  (hn::Store(rest.v, D(), lanes[i++]), ...);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    if constexpr (kOperands == 1) {
      lanes[0][lane] = f(lanes[0][lane]);
    } else {
      lanes[0][lane] = f(lanes[0][lane], lanes[1][lane]);
    }
  }
  return hn::Load(D(), lanes[0]);
}

// Arithmetic. Integers wrap.
template <class E>
TARN_FN Pack<E> operator+(Pack<E> x, Pack<E> y) {
  return hn::Add(x.v, y.v);
}
template <class E>
TARN_FN Pack<E> operator-(Pack<E> x, Pack<E> y) {
  return hn::Sub(x.v, y.v);
}
template <class E>
TARN_FN Pack<E> operator-(Pack<E> x) {
  if constexpr (std::is_unsigned_v<E>) {
    return hn::Sub(hn::Zero(typename Pack<E>::D()), x.v);
  } else {
    return hn::Neg(x.v);
  }
}
template <class E>
TARN_FN Pack<E> operator*(Pack<E> x, Pack<E> y) {
  if constexpr (sizeof(E) == 1) {
    return lanewise([](E a, E b) { return E(unsigned(a) * unsigned(b)); }, x, y);
  } else {
    return hn::Mul(x.v, y.v);
  }
}
template <class E>
TARN_FN Pack<E> operator/(Pack<E> x, Pack<E> y) {
  static_assert(kIsFloatLane<E>);
  return hn::Div(x.v, y.v);
}

// Bits. Shifts by a constant number of bits; right shifts keep the sign.
template <class E>
TARN_FN Pack<E> operator&(Pack<E> x, Pack<E> y) {
  return hn::And(x.v, y.v);
}
template <class E>
TARN_FN Pack<E> operator|(Pack<E> x, Pack<E> y) {
  return hn::Or(x.v, y.v);
}
template <class E>
TARN_FN Pack<E> operator^(Pack<E> x, Pack<E> y) {
  return hn::Xor(x.v, y.v);
}
template <class E>
TARN_FN Pack<E> operator~(Pack<E> x) {
  return hn::Not(x.v);
}
template <class E>
TARN_FN Pack<E> operator<<(Pack<E> x, int n) {
  return hn::ShiftLeftSame(x.v, n);
}
template <class E>
TARN_FN Pack<E> operator>>(Pack<E> x, int n) {
  return hn::ShiftRightSame(x.v, n);
}
template <class E>
requires kIsFloatLane<E> TARN_FN auto bits(Pack<E> x) {
  using Int = std::conditional_t<sizeof(E) == 8, int64_t, int32_t>;
  return Pack<Int>(hn::BitCast(hn::ScalableTag<Int>(), x.v));
}
TARN_FN Pack<float> from_bits(Pack<int32_t> x) {
  return hn::BitCast(hn::ScalableTag<float>(), x.v);
}
TARN_FN Pack<double> from_bits(Pack<int64_t> x) {
  return hn::BitCast(hn::ScalableTag<double>(), x.v);
}

// Comparisons.
template <class E>
TARN_FN Mask<E> operator==(Pack<E> x, Pack<E> y) {
  return hn::Eq(x.v, y.v);
}
template <class E>
TARN_FN Mask<E> operator!=(Pack<E> x, Pack<E> y) {
  // Not Highway's Ne: on AVX2 and AVX-512 its 1.0.3 says that NaN does not differ from itself.
  return hn::Not(hn::Eq(x.v, y.v));
}
template <class E>
TARN_FN Mask<E> operator<(Pack<E> x, Pack<E> y) {
  return hn::Lt(x.v, y.v);
}
template <class E>
TARN_FN Mask<E> operator>(Pack<E> x, Pack<E> y) {
  return hn::Gt(x.v, y.v);
}
template <class E>
TARN_FN Mask<E> operator<=(Pack<E> x, Pack<E> y) {
  if constexpr (kIsFloatLane<E>) {
    return hn::Le(x.v, y.v);
  } else {
    return hn::Not(hn::Gt(x.v, y.v));
  }
}
template <class E>
TARN_FN Mask<E> operator>=(Pack<E> x, Pack<E> y) {
  return y <= x;
}

template <class E>
TARN_FN Mask<E> operator&(Mask<E> a, Mask<E> b) {
  return hn::And(a.m, b.m);
}
template <class E>
TARN_FN Mask<E> operator|(Mask<E> a, Mask<E> b) {
  return hn::Or(a.m, b.m);
}
template <class E>
TARN_FN Mask<E> operator!=(Mask<E> a, Mask<E> b) {
  return hn::Xor(a.m, b.m);
}
template <class E>
TARN_FN Mask<E> operator!(Mask<E> a) {
  return hn::Not(a.m);
}
template <class E>
TARN_FN Pack<E> select(Mask<E> condition, Pack<E> x, Pack<E> y) {
  return hn::IfThenElse(condition.m, x.v, y.v);
}

template <class E>
TARN_FN bool all(Mask<E> condition) {
  return hn::AllTrue(typename Mask<E>::D(), condition.m);
}

template <class E, class F, class... P>
TARN_FN Pack<E> replace_where(Mask<E> rare, Pack<E> y, F f, P... x) {
  if (HWY_LIKELY(hn::AllFalse(typename Pack<E>::D(), rare.m))) return y;
  return select(rare, lanewise(f, x...), y);
}

// What Highway has.
template <class E>
TARN_FN Pack<E> fma(Pack<E> a, Pack<E> b, Pack<E> c) {
  return hn::MulAdd(a.v, b.v, c.v);
}
template <class E>
TARN_FN Pack<E> sqrt(Pack<E> x) {
  return hn::Sqrt(x.v);
}
template <class E>
TARN_FN Pack<E> trunc(Pack<E> x) {
  return hn::Trunc(x.v);
}
template <class E>
TARN_FN Pack<E> floor(Pack<E> x) {
  return hn::Floor(x.v);
}
template <class E>
TARN_FN Pack<E> ceil(Pack<E> x) {
  return hn::Ceil(x.v);
}
template <class E>
TARN_FN Pack<E> round_even(Pack<E> x) {
  return hn::Round(x.v);
}
template <class E>
TARN_FN Pack<E> abs(Pack<E> x) {
  if constexpr (std::is_unsigned_v<E>) {
    return x;
  } else {
    return hn::Abs(x.v);
  }
}
template <class E>
TARN_FN Pack<E> copysign(Pack<E> magnitude, Pack<E> sign) {
  return hn::CopySign(magnitude.v, sign.v);
}

#if HWY_TARGET <= HWY_AVX3
// approx::scale, by an instruction of its own: it, too, rounds once.
TARN_FN Pack<float> scale(Pack<float> p, Pack<int32_t> n) {
  return hn::Vec<hn::ScalableTag<float>>{_mm512_scalef_ps(p.v.raw, _mm512_cvtepi32_ps(n.v.raw))};
}
#endif

// x86's min and max return the second operand when either is NaN.
template <class E>
TARN_FN Pack<E> max(Pack<E> x, Pack<E> y) {
  const Pack<E> larger = hn::Max(x.v, y.v);
  if constexpr (kIsFloatLane<E>) {
    return select(x != x, x, larger);
  } else {
    return larger;
  }
}
template <class E>
TARN_FN Pack<E> min(Pack<E> x, Pack<E> y) {
  const Pack<E> smaller = hn::Min(x.v, y.v);
  if constexpr (kIsFloatLane<E>) {
    return select(x != x, x, smaller);
  } else {
    return smaller;
  }
}

// Elementary functions: our own formulas, or for double those of the C library.
#define TARN_PACK_FUNCTION(name)                                            \
  TARN_FN Pack<float> name(Pack<float> x) { return math::approx::name(x); } \
  TARN_FN Pack<double> name(Pack<double> x) {                               \
    return lanewise([](double lane) { return ::name(lane); }, x);           \
  }
TARN_FLOAT_FUNCTIONS(TARN_PACK_FUNCTION)
#undef TARN_PACK_FUNCTION
#define TARN_PACK_FUNCTION(name)    \
  template <class E>                \
  TARN_FN Pack<E> name(Pack<E> x) { \
    return math::approx::name(x);   \
  }
TARN_FLOAT_AND_DOUBLE_FUNCTIONS(TARN_PACK_FUNCTION)
#undef TARN_PACK_FUNCTION

TARN_FN Pack<float> erfinv(Pack<float> x) { return math::approx::erfinv(x); }
TARN_FN Pack<double> erfinv(Pack<double> x) {
  return lanewise([](double lane) { return math::erfinv(lane); }, x);
}
TARN_FN Pack<float> atan2(Pack<float> y, Pack<float> x) { return math::approx::atan2(y, x); }
TARN_FN Pack<double> atan2(Pack<double> y, Pack<double> x) {
  return lanewise([](double lane_y, double lane_x) { return ::atan2(lane_y, lane_x); }, y, x);
}
template <class E>
TARN_FN Pack<E> logaddexp(Pack<E> x, Pack<E> y) {
  return math::approx::logaddexp(x, y);
}

template <class E>
TARN_FN Pack<E> floor_divide(Pack<E> x, Pack<E> y) {
  if constexpr (kIsFloatLane<E>) {
    return floor(x / y);
  } else {
    return lanewise([](E a, E b) { return math::floor_divide(a, b); }, x, y);
  }
}
template <class E>
TARN_FN Pack<E> remainder(Pack<E> x, Pack<E> y) {
  if constexpr (kIsFloatLane<E>) {
    return math::remainder<Pack<E>>(x, y);
  } else {
    return lanewise([](E a, E b) { return math::remainder(a, b); }, x, y);
  }
}
template <class E>
TARN_FN Pack<E> pow(Pack<E> x, Pack<E> y) {
  if constexpr (std::is_same_v<E, float>) {
    return math::approx::pow(x, y);
  } else {
    return lanewise([](E a, E b) { return math::pow(a, b); }, x, y);
  }
}
template <class E>
TARN_FN Pack<E> shift_left(Pack<E> x, Pack<E> y) {
  return lanewise([](E a, E b) { return math::shift_left(a, b); }, x, y);
}
template <class E>
TARN_FN Pack<E> shift_right(Pack<E> x, Pack<E> y) {
  return lanewise([](E a, E b) { return math::shift_right(a, b); }, x, y);
}

}  // namespace tarn::HWY_NAMESPACE

template <class E>
struct tarn::math::Numeric<tarn::HWY_NAMESPACE::Pack<E>> {
  using Lane = E;
  using Int = tarn::HWY_NAMESPACE::Pack<std::conditional_t<sizeof(E) == 8, int64_t, int32_t>>;
  using Float = tarn::HWY_NAMESPACE::Pack<std::conditional_t<sizeof(E) == 8, double, float>>;
};
