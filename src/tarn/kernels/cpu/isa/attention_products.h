// The innermost loops of attention. Queries are in lanes: elements of keys and values are broadcast
// as they lie in memory, and the maxima and sums over keys need no shuffles. For files compiled
// once per instruction set.
#pragma once

#include "tarn/kernels/cpu/attention_kernels.h"
#include "tarn/kernels/cpu/isa/matmul_pack.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace tarn::HWY_NAMESPACE {

// Sums of kPanelKeys × kPanelVectors vectors, a row of queries, and an element of a key are in the
// 16 or 32 registers there are.
constexpr int kPanelKeys = HWY_MAX_BYTES == 64 ? 8 : 4;
constexpr int kPanelVectors = 3;

// How a dtype is multiplied: one product a lane. What is not of the type that sums are kept in is
// converted first.
template <class E>
struct SingleProducts {
  using Element = E;
  using T = ComputeOf<E>;
  using Key = T;
  using V = hn::Vec<hn::ScalableTag<T>>;
  static constexpr int64_t kTerms = 1;  // products that multiply_add adds in each lane

  TARN_FN static V broadcast(const Key* key) { return hn::Set(hn::ScalableTag<T>(), *key); }
  TARN_FN static V multiply_add(V x, V y, V sum) { return hn::MulAdd(x, y, sum); }
};

#if defined(__AVX512BF16__)
// Two products of bfloat16 a lane, added in float. Pairs of elements are carried as one float.
struct PairProducts {
  using Element = bfloat16_t;
  using T = float;
  using Key = bfloat16_t;
  using V = hn::Vec<hn::ScalableTag<float>>;
  static constexpr int64_t kTerms = 2;

  TARN_FN static V broadcast(const Key* key) {
    float pair;
    std::memcpy(&pair, key, sizeof pair);
    return hn::Set(hn::ScalableTag<float>(), pair);
  }
  TARN_FN static V broadcast_last(const Key* key) {
    const hn::ScalableTag<uint32_t> d;
    return hn::BitCast(hn::ScalableTag<float>(), hn::Set(d, uint32_t(key->bits_)));
  }
  TARN_FN static V multiply_add(V x, V y, V sum) {
    return V{_mm512_dpbf16_ps(sum.raw, (__m512bh)x.raw, (__m512bh)y.raw)};
  }
  // Rounded, to nearest.
  TARN_FN static V pair(V first, V second) {
    const hn::ScalableTag<uint16_t> d;
    alignas(64) static constexpr uint16_t kInterleaved[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(second.raw, first.raw);
    const __m512i pairs = _mm512_permutexvar_epi16(hn::Load(d, kInterleaved).raw, rounded);
    return V{_mm512_castsi512_ps(pairs)};
  }
};
#endif

template <int kN>
using Count = std::integral_constant<int, kN>;

// Calls f(i, Count) for steps of kMax from i = 0 to n, and for shorter ones for the rest.
template <int kMax, class F>
TARN_FN void in_steps(int64_t n, F f, int64_t i = 0) {
  for (; i + kMax <= n; i += kMax) f(i, Count<kMax>());
  if constexpr (kMax > 1) in_steps<kMax / 2>(n, f, i);
}

// exp(x) of x <= 0, and NaN of NaN. What would be subnormal is 0: such products take processors
// long.
template <class T>
TARN_FN Pack<T> exp_of_negative(Pack<T> x) {
  const Pack<T> low(sizeof(T) == 8 ? -708.0 : -87.0);
  const Pack<T> y = math::approx::exp_of_small(select(x < low, low, x));
  return select(x < low, Pack<T>(T(0)), y);
}

// Loops over a panel: kV vectors of queries.
template <class P, int kV>
struct PanelLoops {
  using T = typename P::T;
  using Key = typename P::Key;
  using V = typename P::V;
  using D = hn::ScalableTag<T>;
  static constexpr int64_t kLanes = Pack<T>::kLanes;
  static constexpr int64_t kWidth = kV * kLanes;

  TARN_FN static V load(const T* from, int64_t v) { return hn::LoadU(D(), from + v * kLanes); }
  TARN_FN static void store(V x, T* to, int64_t v) { hn::StoreU(x, D(), to + v * kLanes); }

  // sums[r][v] += the products of row(r, p) and b[p][v] over p.
  template <int kR, class Row>
  TARN_FN static void add_products(V (&sums)[kR][kV], const T* b, int64_t n, Row row) {
    for (int64_t p = 0; p < n; ++p, b += kWidth) {
      V y[kV];
      unrolled<kV>([&](auto v) TARN_LAMBDA { y[v] = load(b, v); });
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const V x = row(r, p);
        unrolled<kV>([&](auto v)
                         TARN_LAMBDA { sums[r][v] = P::multiply_add(x, y[v], sums[r][v]); });
      });
    }
  }

  // Scores of n keys: scores[key][query]. q holds kTerms elements of each query beside each other.
  static void score(const T* q, const Key* keys, int64_t key_row, int64_t n, int64_t dim, T scale,
                    T* scores) {
    const V factor = hn::Set(D(), scale);
    in_steps<kPanelKeys>(n, [&](int64_t i, auto rows) TARN_LAMBDA {
      constexpr int kR = decltype(rows)::value;
      const Key* const key = keys + i * key_row;
      V sums[kR][kV];
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v) TARN_LAMBDA { sums[r][v] = hn::Zero(D()); });
      });
      add_products<kR>(sums, q, dim / P::kTerms, [&](auto r, int64_t p) TARN_LAMBDA {
        return P::broadcast(key + r * key_row + p * P::kTerms);
      });
      if constexpr (P::kTerms > 1) {
        if (dim % P::kTerms != 0) {
          add_products<kR>(sums, q + dim / P::kTerms * kWidth, 1, [&](auto r, int64_t) TARN_LAMBDA {
            return P::broadcast_last(key + r * key_row + dim - 1);
          });
        }
      }
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v) TARN_LAMBDA {
          store(hn::Mul(sums[r][v], factor), scores + (i + r) * kWidth, v);
        });
      });
    });
  }

  // Query w sees the keys before visible[w].
  static void hide_later(const T* visible, int64_t n, T* scores) {
    for (int64_t i = 0; i < n; ++i, scores += kWidth) {
      const V key = hn::Set(D(), T(i));
      unrolled<kV>([&](auto v) TARN_LAMBDA {
        const auto is_seen = hn::Lt(key, load(visible, v));
        store(hn::IfThenElse(is_seen, load(scores, v), minus_infinity()), scores, v);
      });
    }
  }
  // bias: 0 where a key is seen, else -infinity; [key][query], or if it is shared by all queries
  // [key]. Unlike a sum, this hides NaN, too.
  template <bool kIsShared>
  static void hide(const T* bias, int64_t n, T* scores) {
    for_each_bias<kIsShared>(bias, n, scores, [](V score, V b) TARN_LAMBDA {
      return hn::IfThenElse(hn::Eq(b, minus_infinity()), b, score);
    });
  }
  template <bool kIsShared>
  static void add_bias(const T* bias, int64_t n, T* scores) {
    for_each_bias<kIsShared>(bias, n, scores,
                             [](V score, V b) TARN_LAMBDA { return hn::Add(score, b); });
  }

  // Makes weights exp(score - max) of the scores, kTerms keys beside each other, and takes them
  // into max and sum; `shrink` is what earlier weights are to be multiplied by. There is room for
  // scores of a multiple of kTerms keys.
  static void weigh(T* scores, int64_t n, T* max, T* sum, T* shrink) {
    V largest[kV], sums[kV];
    unrolled<kV>([&](auto v) TARN_LAMBDA { largest[v] = load(max, v); });
    for (int64_t i = 0; i < n; ++i) {
      unrolled<kV>([&](auto v) TARN_LAMBDA {
        largest[v] = hn::Max(largest[v], load(scores + i * kWidth, v));
      });
    }
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      const V before = load(max, v);
      store(largest[v], max, v);
      // The difference of infinities would be no number.
      const auto is_seen = hn::Not(hn::Eq(largest[v], minus_infinity()));
      largest[v] = hn::IfThenElseZero(is_seen, largest[v]);
      store(exp_of_negative(Pack<T>(before) - Pack<T>(largest[v])).v, shrink, v);
      sums[v] = hn::Zero(D());
    });
    const auto weight = [&](const T* row, auto v) TARN_LAMBDA {
      const V w = exp_of_negative(Pack<T>(load(row, v)) - Pack<T>(largest[v])).v;
      sums[v] = hn::Add(sums[v], w);
      return w;
    };
    if constexpr (P::kTerms == 1) {
      for (int64_t i = 0; i < n; ++i) {
        T* const row = scores + i * kWidth;
        unrolled<kV>([&](auto v) TARN_LAMBDA { store(weight(row, v), row, v); });
      }
    } else {
      if (n % 2 != 0) std::fill_n(scores + n * kWidth, kWidth, -__builtin_inff());
      for (int64_t i = 0; i < n; i += 2) {
        const T* const row = scores + i * kWidth;
        unrolled<kV>([&](auto v) TARN_LAMBDA {
          const V first = weight(row, v);
          store(P::pair(first, weight(row + kWidth, v)), scores + i / 2 * kWidth, v);
        });
      }
    }
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      store(hn::MulAdd(load(sum, v), load(shrink, v), sums[v]), sum, v);
    });
  }

  // average[d][query] = average[d][query] * shrink + the products of values and weights of n keys.
  static void average(const T* weights, const T* values, int64_t value_row, int64_t n, int64_t dim,
                      const T* shrink, T* to) {
    in_steps<kPanelKeys>(dim, [&](int64_t d, auto rows) TARN_LAMBDA {
      constexpr int kR = decltype(rows)::value;
      V sums[kR][kV];
      const auto row = [&](auto r) TARN_LAMBDA { return to + (d + r) * kWidth; };
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v)
                         TARN_LAMBDA { sums[r][v] = hn::Mul(load(row(r), v), load(shrink, v)); });
      });
      add_products<kR>(sums, weights, (n + P::kTerms - 1) / P::kTerms,
                       [&](auto r, int64_t p)
                           TARN_LAMBDA { return hn::Set(D(), values[p * value_row + d + r]); });
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v) TARN_LAMBDA { store(sums[r][v], row(r), v); });
      });
    });
  }

 private:
  template <bool kIsShared, class F>
  TARN_FN static void for_each_bias(const T* bias, int64_t n, T* scores, F f) {
    for (int64_t i = 0; i < n; ++i, scores += kWidth) {
      unrolled<kV>([&](auto v) TARN_LAMBDA {
        const V b = kIsShared ? hn::Set(D(), bias[i]) : load(bias + i * kWidth, v);
        store(f(load(scores, v), b), scores, v);
      });
    }
  }

  TARN_FN static V minus_infinity() { return hn::Set(D(), -T(__builtin_inff())); }
};

}  // namespace tarn::HWY_NAMESPACE
