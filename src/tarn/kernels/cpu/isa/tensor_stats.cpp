// Statistics of many numbers in one pass. A block is summed in float, relative to its first number;
// where that is not exact enough, because of what the numbers are, it is done again in double.
#include <algorithm>
#include <bit>
#include <cmath>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/tensor_stats_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// How numbers lie in memory. `at` gives one; where `load` is, it gives a pack of them, exactly.
template <class E>
struct Numbers {
  using Stored = E;
  static double at(const E* p, size_t i) {
    if constexpr (HalfType<E>) {
      return static_cast<float>(p[i]);
    } else {
      return static_cast<double>(p[i]);
    }
  }
};

template <class E>
struct FloatNumbers : Numbers<E> {
  TARN_FN static Pack<float> load(const E* p) { return HWY_NAMESPACE::load(p); }
};

// Of 16 bits, which float holds exactly.
template <class E>
struct IntegerNumbers : Numbers<E> {
  TARN_FN static Pack<float> load(const E* p) {
    const hn::ScalableTag<float> d;
    const hn::RebindToSigned<decltype(d)> d32;
    const hn::Rebind<E, decltype(d)> narrow;
    return hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(narrow, p)));
  }
};

// 8-bit floats become the 16-bit float with the same fields, which hardware widens.
inline constexpr uint16_t kHalfNan = 0x7e00;

template <class D>
TARN_FN auto load_words(D, const uint8_t* p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint8_t, D> d8;
  return hn::PromoteTo(d16, hn::LoadU(d8, p));
}
template <class D, class V>
TARN_FN auto widen_halves(D d, V words) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::BitCast(d16, words));
}

struct Float8E5m2 {
  using Stored = uint8_t;
  static double at(const uint8_t* p, size_t i) {
    return static_cast<float>(std::bit_cast<float16_t>(static_cast<uint16_t>(p[i] << 8)));
  }
  TARN_FN static Pack<float> load(const uint8_t* p) {
    const hn::ScalableTag<float> d;
    return widen_halves(d, hn::ShiftLeft<8>(load_words(d, p)));
  }
};

// Its exponent is biased by 7, not 15, and it has no infinity: the fields all ones are NaN.
struct Float8E4m3 {
  using Stored = uint8_t;
  static constexpr float kScale = 256;
  static double at(const uint8_t* p, size_t i) {
    const unsigned magnitude = p[i] & 0x7fu;
    if (magnitude == 0x7f) return std::numeric_limits<double>::quiet_NaN();
    const auto half = static_cast<uint16_t>((p[i] & 0x80u) << 8 | magnitude << 7);
    return kScale * static_cast<float>(std::bit_cast<float16_t>(half));
  }
  TARN_FN static Pack<float> load(const uint8_t* p) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<uint16_t, decltype(d)> d16;
    const auto word = load_words(d, p);
    const auto magnitude = hn::And(word, hn::Set(d16, 0x7f));
    const auto sign = hn::ShiftLeft<8>(hn::And(word, hn::Set(d16, 0x80)));
    const auto number = hn::Or(sign, hn::ShiftLeft<7>(magnitude));
    const auto is_nan = hn::Eq(magnitude, hn::Set(d16, 0x7f));
    const auto half = hn::IfThenElse(is_nan, hn::Set(d16, kHalfNan), number);
    return hn::Mul(widen_halves(d, half), hn::Set(d, kScale));
  }
};

// A power of two without sign.
struct Float8E8m0 {
  using Stored = uint8_t;
  static double at(const uint8_t* p, size_t i) {
    constexpr uint64_t kBias = 1023 - 127;  // of doubles, relative to the format's
    return p[i] == 0xff ? std::numeric_limits<double>::quiet_NaN()
                        : std::bit_cast<double>((p[i] + kBias) << 52);
  }
};

// Of the bits behind the sign.
template <int kMantissaBits, int kBias>
double small_float(uint64_t magnitude) {
  // With the fields in their places all that differs from a double is the bias.
  const double scale = std::bit_cast<double>(uint64_t{2046 - kBias} << 52);
  return std::bit_cast<double>(magnitude << (52 - kMantissaBits)) * scale;
}

// With neither infinity nor -0: the code of that is NaN.
template <int kMantissaBits>
struct Float8Fnuz {
  using Stored = uint8_t;
  static double at(const uint8_t* p, size_t i) {
    constexpr int kBias = 1 << (6 - kMantissaBits);
    if (p[i] == 0x80) return std::numeric_limits<double>::quiet_NaN();
    const double magnitude = small_float<kMantissaBits, kBias>(p[i] & 0x7fu);
    return p[i] < 0x80 ? magnitude : -magnitude;
  }
};

// Two to a byte; that of the lower bits is taken for the first.
struct Float4E2m1 {
  using Stored = uint8_t;
  static double at(const uint8_t* p, size_t i) {
    const unsigned code = p[i / 2] >> (4 * (i % 2)) & 0xfu;
    const double magnitude = small_float<1, 1>(code & 7);
    return code < 8 ? magnitude : -magnitude;
  }
};

inline constexpr size_t kBlock = 4096;
static_assert(kBlock % Pack<double>::kLanes == 0);

template <class N>
void widen(const typename N::Stored* x, size_t n, double* values) {
  size_t i = 0;
  if constexpr (requires { N::load(x); }) {
    constexpr size_t kLanes = Pack<float>::kLanes;
    const hn::ScalableTag<float> d;
    const hn::ScalableTag<double> wide;
    for (; i + kLanes <= n; i += kLanes) {
      const auto pack = N::load(x + i).v;
      hn::StoreU(hn::PromoteTo(wide, hn::LowerHalf(hn::Half<decltype(d)>(), pack)), wide,
                 values + i);
      hn::StoreU(hn::PromoteTo(wide, hn::UpperHalf(hn::Half<decltype(d)>(), pack)), wide,
                 values + i + kLanes / 2);
    }
  }
  for (; i < n; ++i) values[i] = N::at(x, i);
}

// Fills in all but `m2` and what goes with it, and the rests. Requires: of the values one at least
// is finite, such as `pivot`, and `n_packs` is at most that of a block.
//
// Sums are of distances from a pivot, so that equal numbers have exactly their mean and no spread;
// and of parts so small that they cannot overflow.
TARN_FN void count_and_sum(const double* values, size_t n_packs, double pivot, TensorStats& block) {
  constexpr size_t kLanes = Pack<double>::kLanes;
  constexpr double kPart = 0.5 / kBlock;
  const hn::ScalableTag<double> d;
  const auto part = hn::Set(d, kPart), pivot_part = hn::Set(d, pivot * kPart);
  auto sum = hn::Zero(d), low = hn::Set(d, pivot), high = low;
  size_t finite = 0, zeros = 0, nan = 0;
  for (size_t i = 0; i < n_packs; ++i) {
    const auto value = hn::Load(d, values + i * kLanes);
    const auto is_finite = hn::IsFinite(value);
    finite += hn::CountTrue(d, is_finite);
    zeros += hn::CountTrue(d, hn::Eq(value, hn::Zero(d)));
    nan += hn::CountTrue(d, hn::IsNaN(value));
    const auto finite_value = hn::IfThenElse(is_finite, value, hn::Set(d, pivot));
    low = hn::Min(low, finite_value);
    high = hn::Max(high, finite_value);
    sum = hn::Add(sum, hn::MulSub(finite_value, part, pivot_part));
  }
  block.finite = double(finite);
  block.zeros = double(zeros);
  block.nan = double(nan);
  block.inf = double(n_packs * kLanes - finite - nan);
  block.min = hn::GetLane(hn::MinOfLanes(d, low)) + 0.0;  // not -0
  block.max = hn::GetLane(hn::MaxOfLanes(d, high)) + 0.0;
  const double distance_part = hn::GetLane(hn::SumOfLanes(d, sum)) / block.finite;
  block.mean = pivot + distance_part / kPart;
  // From one end of double's range to the other it is twice what double can hold.
  if (!std::isfinite(block.mean)) block.mean = 2 * (pivot / 2 + distance_part / (2 * kPart));
}

// The sum of squared distances, these times `scale`, of the finite values.
TARN_FN double sum_squares(const double* values, size_t n_packs, double mean, double scale) {
  constexpr size_t kLanes = Pack<double>::kLanes;
  const hn::ScalableTag<double> d;
  auto sum = hn::Zero(d);
  for (size_t i = 0; i < n_packs; ++i) {
    const auto value = hn::Load(d, values + i * kLanes);
    const auto distance = hn::MulSub(value, hn::Set(d, scale), hn::Set(d, mean * scale));
    const auto counted = hn::IfThenElseZero(hn::IsFinite(value), distance);
    sum = hn::MulAdd(counted, counted, sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Requires: there is a number.
template <class E>
void add_rests(TensorStats& block, const E* x, size_t n) {
  E low = x[0], high = x[0];
  for (size_t i = 1; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  const auto rest = [](E exact) {
    return static_cast<double>(__int128{exact} - static_cast<__int128>(static_cast<double>(exact)));
  };
  block.min_rest = rest(low);
  block.max_rest = rest(high);
}

// Of at most kBlock numbers, in double and in two passes.
template <class N>
void add_exactly(TensorStats& stats, const typename N::Stored* x, size_t n) {
  HWY_ALIGN double values[kBlock];
  widen<N>(x, n, values);
  constexpr size_t kLanes = Pack<double>::kLanes;
  const size_t n_packs = (n + kLanes - 1) / kLanes;
  const size_t n_padded = n_packs * kLanes;
  std::fill(values + n, values + n_padded, std::numeric_limits<double>::quiet_NaN());
  TensorStats block;
  const double* pivot = std::find_if(values, values + n, [](double x) { return std::isfinite(x); });
  if (pivot != values + n) {
    count_and_sum(values, n_packs, *pivot, block);
    block.nan -= double(n_padded - n);
    block.m2 = sum_squares(values, n_packs, block.mean, block.scale);
    if (!std::isfinite(block.m2)) {
      block.scale = TensorStats::kSmallScale;
      block.m2 = sum_squares(values, n_packs, block.mean, block.scale);
    }
    if constexpr (std::is_integral_v<typename N::Stored> && sizeof(typename N::Stored) == 8) {
      add_rests(block, x, n);
    }
  } else {
    block.nan = double(std::count_if(values, values + n, [](double x) { return std::isnan(x); }));
    block.inf = double(n) - block.nan;
  }
  stats.add(block);
}

// What a pass over a block gives.
struct BlockSums {
  double shift;    // that numbers are taken relative to
  double sum;      // of the distances from it
  double squares;  // of these
  double min;
  double max;
  size_t zeros;
};

// Of four packs, added in double where it matters: the sums of many lanes.
TARN_FN double sum_of(const Pack<float> (&packs)[4]) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<double> wide;
  const hn::Half<decltype(d)> half;
  const Pack<float> total = (packs[0] + packs[1]) + (packs[2] + packs[3]);
  const auto low = hn::PromoteTo(wide, hn::LowerHalf(half, total.v));
  const auto high = hn::PromoteTo(wide, hn::UpperHalf(half, total.v));
  return hn::GetLane(hn::SumOfLanes(wide, hn::Add(low, high)));
}
TARN_FN double min_of(Pack<float> pack) {
  return hn::GetLane(hn::MinOfLanes(hn::ScalableTag<float>(), pack.v));
}
TARN_FN double max_of(Pack<float> pack) {
  return hn::GetLane(hn::MaxOfLanes(hn::ScalableTag<float>(), pack.v));
}

TARN_FN void add_distances(Pack<float>& sum, Pack<float>& squares, Pack<float> distance) {
  sum = sum + distance;
  squares = hn::MulAdd(distance.v, distance.v, squares.v);
}

// Anything that has `load`.
template <class N>
BlockSums sum_block(const typename N::Stored* x, float shift) {
  constexpr size_t kLanes = Pack<float>::kLanes;
  static_assert(kBlock % (4 * kLanes) == 0);
  const hn::ScalableTag<float> d;
  Pack<float> sum[4], squares[4], low[4], high[4];
  unrolled<4>([&](auto u) {
    sum[u] = squares[u] = Pack<float>(0);
    low[u] = high[u] = Pack<float>(shift);
  });
  size_t zeros = 0;
  for (size_t i = 0; i < kBlock; i += 4 * kLanes) {
    unrolled<4>([&](auto u) {
      const Pack<float> value = N::load(x + i + u * kLanes);
      add_distances(sum[u], squares[u], value - Pack<float>(shift));
      low[u] = hn::Min(low[u].v, value.v);
      high[u] = hn::Max(high[u].v, value.v);
      zeros += hn::CountTrue(d, hn::Eq(value.v, hn::Zero(d)));
    });
  }
  const Pack<float> lowest = min(min(low[0], low[1]), min(low[2], low[3]));
  const Pack<float> highest = max(max(high[0], high[1]), max(high[2], high[3]));
  return {shift, sum_of(sum), sum_of(squares), min_of(lowest), max_of(highest), zeros};
}

// The upper halves of floats: two to a lane, so that what can be done on them as integers is done
// on twice as many at once.
class BfloatPairs {
 public:
  using D = hn::ScalableTag<int16_t>;
  using V = hn::Vec<D>;
  static constexpr size_t kLanes = hn::MaxLanes(D());

  // Integers in the order of the numbers; its own inverse.
  TARN_FN static V ordered(V words) {
    const auto if_negative = hn::And(hn::ShiftRight<15>(words), hn::Set(D(), 0x7fff));
    return hn::Xor(words, if_negative);
  }
  TARN_FN static size_t count_zeros(V words) {
    return hn::CountTrue(D(), hn::Eq(hn::And(words, hn::Set(D(), 0x7fff)), hn::Zero(D())));
  }
  TARN_FN static Pack<float> even(V words) {
    return hn::BitCast(hn::ScalableTag<float>(), hn::ShiftLeft<16>(hn::BitCast(D32(), words)));
  }
  TARN_FN static Pack<float> odd(V words) {
    const auto upper = hn::And(hn::BitCast(D32(), words), hn::Set(D32(), 0xffff0000u));
    return hn::BitCast(hn::ScalableTag<float>(), upper);
  }

 private:
  using D32 = hn::ScalableTag<uint32_t>;
};

template <>
BlockSums sum_block<FloatNumbers<bfloat16_t>>(const bfloat16_t* x, float shift) {
  using B = BfloatPairs;
  static_assert(kBlock % (2 * B::kLanes) == 0);
  const auto load_words = [&](size_t i) {
    return hn::LoadU(B::D(), reinterpret_cast<const int16_t*>(x + i));
  };
  Pack<float> sum[4], squares[4];
  unrolled<4>([&](auto u) { sum[u] = squares[u] = Pack<float>(0); });
  B::V low[2], high[2];
  unrolled<2>([&](auto u) { low[u] = high[u] = B::ordered(load_words(0)); });
  size_t zeros = 0;
  for (size_t i = 0; i < kBlock; i += 2 * B::kLanes) {
    unrolled<2>([&](auto u) {
      const auto words = load_words(i + u * B::kLanes);
      add_distances(sum[2 * u], squares[2 * u], B::even(words) - Pack<float>(shift));
      add_distances(sum[2 * u + 1], squares[2 * u + 1], B::odd(words) - Pack<float>(shift));
      low[u] = hn::Min(low[u], B::ordered(words));
      high[u] = hn::Max(high[u], B::ordered(words));
      zeros += B::count_zeros(words);
    });
  }
  const auto lowest = B::ordered(hn::Min(low[0], low[1]));
  const auto highest = B::ordered(hn::Max(high[0], high[1]));
  return {shift,
          sum_of(sum),
          sum_of(squares),
          min_of(min(B::even(lowest), B::odd(lowest))),
          max_of(max(B::even(highest), B::odd(highest))),
          zeros};
}

// Bytes, whose sums are exact in 32 bits.
template <class E>
requires(sizeof(E) == 1) BlockSums sum_bytes(const E* x) {
  const hn::ScalableTag<int16_t> d;
  const hn::ScalableTag<int32_t> d32;
  const hn::Rebind<E, decltype(d)> narrow;
  constexpr size_t kLanes = hn::MaxLanes(d);
  static_assert(kBlock % kLanes == 0 && kBlock <= 1 << 15);
  auto sum = hn::Zero(d32), sum_rest = sum, squares = sum, squares_rest = sum;
  auto low = hn::Set(d, x[0]), high = low;
  size_t zeros = 0;
  for (size_t i = 0; i < kBlock; i += kLanes) {
    const auto value = hn::PromoteTo(d, hn::LoadU(narrow, x + i));
    sum = hn::ReorderWidenMulAccumulate(d32, value, hn::Set(d, 1), sum, sum_rest);
    squares = hn::ReorderWidenMulAccumulate(d32, value, value, squares, squares_rest);
    low = hn::Min(low, value);
    high = hn::Max(high, value);
    zeros += hn::CountTrue(d, hn::Eq(value, hn::Zero(d)));
  }
  const auto total = [&](auto a, auto b) {
    return double(hn::GetLane(hn::SumOfLanes(d32, hn::Add(a, b))));
  };
  HWY_ALIGN int16_t lows[kLanes], highs[kLanes];
  hn::Store(low, d, lows);
  hn::Store(high, d, highs);
  return {0,
          total(sum, sum_rest),
          total(squares, squares_rest),
          double(*std::min_element(lows, lows + kLanes)),
          double(*std::max_element(highs, highs + kLanes)),
          zeros};
}

void add_block(TensorStats& stats, const BlockSums& sums) {
  TensorStats block;
  block.finite = kBlock;
  block.zeros = double(sums.zeros);
  block.min = sums.min + 0.0;  // not -0
  block.max = sums.max + 0.0;
  block.mean = sums.shift + sums.sum / kBlock;
  block.m2 = sums.squares - sums.sum * (sums.sum / kBlock);
  stats.add(block);
}

// Whether sums of floats say what they should.
bool is_exact_enough(const BlockSums& sums) {
  // A NaN or an infinity stays in the sum.
  if (!std::isfinite(sums.sum) || !std::isfinite(sums.squares)) return false;
  // Squares of larger or smaller distances leave the range of float.
  constexpr double kLeast = 1e-12, kMost = 1e15;
  const double extent = sums.max - sums.min;
  if (extent == 0) return true;
  if (!(extent > kLeast && extent < kMost)) return false;
  // Past that, the first number lies so far from the others that their spread is lost in rounding.
  constexpr double kMaxCancellation = 16;
  const double m2 = sums.squares - sums.sum * (sums.sum / kBlock);
  return sums.squares <= kMaxCancellation * m2;
}

template <class N>
void add_numbers(TensorStats& stats, const void* elements, size_t n) {
  const auto* x = static_cast<const typename N::Stored*>(elements);
  for (; n >= kBlock; x += kBlock, n -= kBlock) {
    if constexpr (requires { N::load(x); }) {
      const auto first = static_cast<float>(N::at(x, 0));
      const BlockSums sums = sum_block<N>(x, std::isfinite(first) ? first : 0);
      if (is_exact_enough(sums)) {
        add_block(stats, sums);
        continue;
      }
    }
    add_exactly<N>(stats, x, kBlock);
  }
  if (n > 0) add_exactly<N>(stats, x, n);
}

template <class E>
void add_bytes(TensorStats& stats, const void* elements, size_t n) {
  const auto* x = static_cast<const E*>(elements);
  for (; n >= kBlock; x += kBlock, n -= kBlock) add_block(stats, sum_bytes(x));
  if (n > 0) add_exactly<Numbers<E>>(stats, x, n);
}

void add_float4(TensorStats& stats, const void* elements, size_t n) {
  const auto* x = static_cast<const uint8_t*>(elements);
  for (; n > kBlock / 2; x += kBlock / 2, n -= kBlock / 2) {
    add_exactly<Float4E2m1>(stats, x, kBlock);
  }
  add_exactly<Float4E2m1>(stats, x, 2 * n);
}

template <class E>
using NumbersOf = std::conditional_t<
    std::is_same_v<E, float> || HalfType<E>, FloatNumbers<E>,
    std::conditional_t<std::is_integral_v<E> && sizeof(E) == 2, IntegerNumbers<E>, Numbers<E>>>;

}  // namespace

void add_tensor_stats(cpu::TensorStatsKernels& kernels) {
  for (const Dtype dtype : kAllDtypes) {
    visit(dtype, [&]<class E>(type_tag<E>) {
      cpu::StatsAdder& adder = kernels.of_dtype[int(dtype.val())];
      if constexpr (std::is_same_v<E, bool>) {
        adder = add_bytes<uint8_t>;
      } else if constexpr (sizeof(E) == 1) {
        adder = add_bytes<E>;
      } else if constexpr (!std::is_same_v<E, complex64_t>) {
        adder = add_numbers<NumbersOf<E>>;
      }
    });
  }
  const auto of_format = [&](NumberFormat format) -> cpu::StatsAdder& {
    return kernels.of_format[int(format)];
  };
  of_format(NumberFormat::float8_e4m3) = add_numbers<Float8E4m3>;
  of_format(NumberFormat::float8_e5m2) = add_numbers<Float8E5m2>;
  of_format(NumberFormat::float8_e8m0) = add_numbers<Float8E8m0>;
  of_format(NumberFormat::float8_e4m3fnuz) = add_numbers<Float8Fnuz<3>>;
  of_format(NumberFormat::float8_e5m2fnuz) = add_numbers<Float8Fnuz<2>>;
  of_format(NumberFormat::float4_e2m1) = add_float4;
}

}  // namespace tarn::HWY_NAMESPACE
