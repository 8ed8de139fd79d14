// Pair<P>: two packs, or two masks, as one. A step of a long formula waits for the one before it;
// of a pair, the one half is worked on while the other waits (10 to 20 % faster). Has what the
// formulas of approx.h ask of packs.
//
// Only for files that are compiled once per instruction set.
#pragma once

#include "tarn/math/pack.h"

namespace tarn::HWY_NAMESPACE {

template <class P>
struct Pair {
  P first;
  P second;

  Pair() = default;
  TARN_FN Pair(P a, P b) : first(a), second(b) {}
  template <class S>
  requires std::is_arithmetic_v<S> TARN_FN explicit Pair(S x) : first(x), second(x) {}
};

#define TARN_BINARY_OPERATOR(op)                           \
  template <class P>                                       \
  TARN_FN auto operator op(Pair<P> x, Pair<P> y) {         \
    return Pair(x.first op y.first, x.second op y.second); \
  }
TARN_BINARY_OPERATOR(+)
TARN_BINARY_OPERATOR(-)
TARN_BINARY_OPERATOR(*)
TARN_BINARY_OPERATOR(/)
TARN_BINARY_OPERATOR(&)
TARN_BINARY_OPERATOR(|)
TARN_BINARY_OPERATOR(^)
TARN_BINARY_OPERATOR(==)
TARN_BINARY_OPERATOR(!=)
TARN_BINARY_OPERATOR(<)
TARN_BINARY_OPERATOR(>)
TARN_BINARY_OPERATOR(<=)
TARN_BINARY_OPERATOR(>=)
#undef TARN_BINARY_OPERATOR

template <class P>
TARN_FN auto operator-(Pair<P> x) {
  return Pair(-x.first, -x.second);
}
template <class P>
TARN_FN auto operator!(Pair<P> x) {
  return Pair(!x.first, !x.second);
}
template <class P>
TARN_FN auto operator<<(Pair<P> x, int n) {
  return Pair(x.first << n, x.second << n);
}
template <class P>
TARN_FN auto operator>>(Pair<P> x, int n) {
  return Pair(x.first >> n, x.second >> n);
}

#define TARN_OF_EACH_HALF(name)                                                \
  template <class P, class... Rest>                                            \
  TARN_FN auto name(Pair<P> x, Pair<Rest>... rest) {                           \
    return Pair(name(x.first, rest.first...), name(x.second, rest.second...)); \
  }
TARN_OF_EACH_HALF(abs)
TARN_OF_EACH_HALF(bits)
TARN_OF_EACH_HALF(copysign)
TARN_OF_EACH_HALF(fma)
TARN_OF_EACH_HALF(from_bits)
TARN_OF_EACH_HALF(select)
TARN_OF_EACH_HALF(sqrt)
TARN_OF_EACH_HALF(trunc)
#undef TARN_OF_EACH_HALF

// These two take as many arguments as the templates of their names in math and approx: else those
// would be chosen.
#if HWY_TARGET <= HWY_AVX3
TARN_FN Pair<Pack<float>> scale(Pair<Pack<float>> p, Pair<Pack<int32_t>> n) {
  return Pair(scale(p.first, n.first), scale(p.second, n.second));
}
#endif

template <class P>
TARN_FN Pair<P> max(Pair<P> x, Pair<P> y) {
  return Pair(max(x.first, y.first), max(x.second, y.second));
}

template <class E>
TARN_FN bool all(Pair<Mask<E>> condition) {
  return all(condition.first & condition.second);
}

template <class E, class F>
TARN_FN auto replace_where(Pair<Mask<E>> rare, Pair<Pack<E>> y, F f, Pair<Pack<E>> x) {
  if (HWY_LIKELY(all(!rare))) return y;
  return Pair(replace_where(rare.first, y.first, f, x.first),
              replace_where(rare.second, y.second, f, x.second));
}

// As in pack.h: our own formulas, applied to pairs, or for double the functions of the C library.
#define TARN_PAIR_FUNCTION(name)                  \
  template <class E>                              \
  TARN_FN Pair<Pack<E>> name(Pair<Pack<E>> x) {   \
    if constexpr (std::is_same_v<E, float>) {     \
      return math::approx::name(x);               \
    } else {                                      \
      return Pair(name(x.first), name(x.second)); \
    }                                             \
  }
TARN_FLOAT_FUNCTIONS(TARN_PAIR_FUNCTION)
TARN_PAIR_FUNCTION(erfinv)
#undef TARN_PAIR_FUNCTION
#define TARN_PAIR_FUNCTION(name)                \
  template <class E>                            \
  TARN_FN Pair<Pack<E>> name(Pair<Pack<E>> x) { \
    return math::approx::name(x);               \
  }
TARN_FLOAT_AND_DOUBLE_FUNCTIONS(TARN_PAIR_FUNCTION)
#undef TARN_PAIR_FUNCTION
#define TARN_PAIR_FUNCTION(name)                                     \
  template <class E>                                                 \
  TARN_FN Pair<Pack<E>> name(Pair<Pack<E>> x, Pair<Pack<E>> y) {     \
    if constexpr (std::is_same_v<E, float>) {                        \
      return math::approx::name(x, y);                               \
    } else {                                                         \
      return Pair(name(x.first, y.first), name(x.second, y.second)); \
    }                                                                \
  }
TARN_PAIR_FUNCTION(atan2)
TARN_PAIR_FUNCTION(logaddexp)
TARN_PAIR_FUNCTION(pow)
#undef TARN_PAIR_FUNCTION

}  // namespace tarn::HWY_NAMESPACE

template <class P>
struct tarn::math::Numeric<tarn::HWY_NAMESPACE::Pair<P>> {
  using Lane = LaneOf<P>;
  using Int = tarn::HWY_NAMESPACE::Pair<IntOf<P>>;
};
