// Statistics of many numbers in one pass. A block is summed in float, relative to its first number;
// where that is not exact enough, because of what the numbers are, it is done again in double.
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

// Of at most 16 bits, which float holds exactly.
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
    return p[i] == 0xff ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, p[i] - 127);
  }
};

template <class N>
void add_exactly(TensorStats& stats, const typename N::Stored* x, size_t n) {
  TensorStats block;
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double value = N::at(x, i);
    if (std::isnan(value)) {
      ++block.nan;
    } else if (std::isinf(value)) {
      ++block.inf;
    } else {
      ++block.finite;
      block.zeros += value == 0;
      block.min = std::fmin(block.min, value);
      block.max = std::fmax(block.max, value);
      sum += value / double(n);  // whose sum cannot overflow
    }
  }
  if (block.finite > 0) block.mean = sum * (double(n) / block.finite);
  for (size_t i = 0; i < n; ++i) {
    const double value = N::at(x, i);
    if (!std::isfinite(value)) continue;
    block.m2 += (value - block.mean) * (value - block.mean);
  }
  stats.add(block);
}

// Lanes of a pack, added in double.
TARN_FN double sum_of(Pack<float> pack) {
  const hn::ScalableTag<float> d;
  HWY_ALIGN float lanes[Pack<float>::kLanes];
  hn::Store(pack.v, d, lanes);
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

inline constexpr size_t kBlock = 4096;
inline constexpr size_t kUnroll = 4;

struct FloatSums {
  double sum;      // of the distances from the block's first number
  double squares;  // of these
  float min;
  float max;
  size_t zeros;
};

template <class N>
FloatSums sum_block(const typename N::Stored* x, float first) {
  constexpr size_t kLanes = Pack<float>::kLanes;
  static_assert(kBlock % (kUnroll * kLanes) == 0);
  const hn::ScalableTag<float> d;
  const Pack<float> shift(first);
  Pack<float> sum[kUnroll], squares[kUnroll], low[kUnroll], high[kUnroll];
  unrolled<kUnroll>([&](auto u) {
    sum[u] = squares[u] = Pack<float>(0);
    low[u] = high[u] = shift;
  });
  size_t zeros = 0;
  for (size_t i = 0; i < kBlock; i += kUnroll * kLanes) {
    unrolled<kUnroll>([&](auto u) {
      const Pack<float> value = N::load(x + i + u * kLanes);
      const Pack<float> distance = value - shift;
      sum[u] = sum[u] + distance;
      squares[u] = hn::MulAdd(distance.v, distance.v, squares[u].v);
      low[u] = hn::Min(low[u].v, value.v);
      high[u] = hn::Max(high[u].v, value.v);
      zeros += hn::CountTrue(d, hn::Eq(value.v, hn::Zero(d)));
    });
  }
  FloatSums sums{0, 0, first, first, zeros};
  unrolled<kUnroll>([&](auto u) {
    sums.sum += sum_of(sum[u]);
    sums.squares += sum_of(squares[u]);
    sums.min = std::fmin(sums.min, hn::GetLane(hn::MinOfLanes(d, low[u].v)));
    sums.max = std::fmax(sums.max, hn::GetLane(hn::MaxOfLanes(d, high[u].v)));
  });
  return sums;
}

// Returns false, and adds nothing, if floats will not do.
template <class N>
bool add_block(TensorStats& stats, const typename N::Stored* x) {
  const float first = static_cast<float>(N::at(x, 0));
  if (!std::isfinite(first)) return false;
  const FloatSums sums = sum_block<N>(x, first);
  // A NaN or an infinity stays in the sum.
  if (!std::isfinite(sums.sum) || !std::isfinite(sums.squares)) return false;
  // Squares of larger or smaller distances leave the range of float.
  constexpr double kLeast = 1e-12, kMost = 1e15;
  const double extent = double(sums.max) - double(sums.min);
  if (extent != 0 && !(extent > kLeast && extent < kMost)) return false;
  const double m2 = sums.squares - sums.sum * (sums.sum / kBlock);
  // Past that, the first number lies so far from the others that their spread is lost in rounding.
  constexpr double kMaxCancellation = 16;
  if (extent != 0 && sums.squares > kMaxCancellation * m2) return false;
  TensorStats block;
  block.finite = kBlock;
  block.zeros = double(sums.zeros);
  block.min = sums.min;
  block.max = sums.max;
  block.mean = first + sums.sum / kBlock;
  block.m2 = m2;
  stats.add(block);
  return true;
}

template <class N>
void add_numbers(TensorStats& stats, const void* elements, size_t n) {
  const auto* x = static_cast<const typename N::Stored*>(elements);
  for (; n >= kBlock; x += kBlock, n -= kBlock) {
    if constexpr (requires { N::load(x); }) {
      if (add_block<N>(stats, x)) continue;
    }
    add_exactly<N>(stats, x, kBlock);
  }
  if (n > 0) add_exactly<N>(stats, x, n);
}

template <class E>
using NumbersOf = std::conditional_t<
    std::is_same_v<E, float> || HalfType<E>, FloatNumbers<E>,
    std::conditional_t<std::is_integral_v<E> && sizeof(E) <= 2, IntegerNumbers<E>, Numbers<E>>>;

}  // namespace

void add_tensor_stats(cpu::TensorStatsKernels& kernels) {
  for (const Dtype dtype : kAllDtypes) {
    visit(dtype, [&]<class E>(type_tag<E>) {
      cpu::StatsAdder& adder = kernels.of_dtype[int(dtype.val())];
      if constexpr (std::is_same_v<E, bool>) {
        adder = add_numbers<NumbersOf<uint8_t>>;
      } else if constexpr (!std::is_same_v<E, complex64_t>) {
        adder = add_numbers<NumbersOf<E>>;
      }
    });
  }
  kernels.of_float8_e4m3 = add_numbers<Float8E4m3>;
  kernels.of_float8_e5m2 = add_numbers<Float8E5m2>;
  kernels.of_float8_e8m0 = add_numbers<Float8E8m0>;
}

}  // namespace tarn::HWY_NAMESPACE
