// Few rows of x times rows of codes.
//
// A step takes as many codes as fill the 32-bit lanes of a pack: each lane has some that follow
// each other, of one group. One shift then brings the next code of all lanes into place, so that a
// code costs no more than the shift, the conversion and the product. x is put into that order
// beforehand. Scales are applied to the sums of a step, biases to the sums of the groups of x.
//
// With so few rows of x that unpacking codes is most of the work, those of 2 and 4 bits stay
// integers if x has 16-bit elements (docs/decisions/0016-vectors-times-codes.md): x is cut into
// digits of 8 bits, three for each element, and one instruction multiplies all bytes of a pack and
// adds up those of a lane.
#include <bit>
#include <cmath>

#include "tarn/kernels/cpu/isa/quantized_codes.h"
#include "tarn/math/approx.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::kDotDepth;
using cpu::kDotXRows;
using cpu::QuantizedDot;

// Rows of codes and of x that are multiplied at once: the sums of two by four are half of AVX2's
// registers. With AVX-512 those of all steps have room, too.
constexpr int kRows = 2;

constexpr int64_t kMinGroup = 16;
constexpr int64_t kMaxGroups = kDotDepth / kMinGroup;

// How the codes of a step lie in the lanes.
template <CodeKind kKind>
struct LaneOrder {
  static constexpr int kBits = cpu::bits_of(kKind);
  static constexpr int kPerLane = kBits == 2 ? 16 : kBits <= 4 ? 8 : 4;
  static constexpr int kLaneBits = kPerLane * kBits;  // 20, 24 or 32
  static constexpr int64_t kStep = kPerLane * kLanes;
  static constexpr int64_t kStepBytes = kStep * kBits / 8;
  // Lanes of less than 32 bits are read by four, as 16 bytes.
  static constexpr int64_t kQuarterBytes = 4 * kLaneBits / 8;
  static constexpr int64_t kReadBytes =
      kLaneBits == 32 ? kStepBytes : kStepBytes - kQuarterBytes + 16;
  static_assert(cpu::kMaxDotStep % kStep == 0 && kStep >= kMinGroup && kPerLane <= kMinGroup);
};

// The digits of a step: for each part of a byte of codes, the lowest bits first, a pack of the last
// digits of x; then those of the digits before; then for each lane what one in the last place is
// worth, its unit. It takes no more room than the floats.
constexpr int kDigits = 3;
constexpr int kDigitBits = 8;
// Of the largest element of a lane. Three signed digits hold numbers a little below 2^23, and sums
// of a lane are below 2^29.
constexpr int kMagnitudeBits = 22;
constexpr int64_t kPackBytes = kLanes * int64_t{sizeof(float)};
template <CodeKind kKind>
constexpr int kParts = 8 / cpu::bits_of(kKind);
template <CodeKind kKind>
constexpr bool kHasDigits = cpu::goes_by_digits(kKind, 1, float16);

TARN_FN hn::Vec<Bytes> load_quarters(const uint8_t* from, int64_t distance) {
  const Bytes d;
  const hn::Half<Bytes> half;
  if constexpr (HWY_MAX_BYTES == 64) {
    const hn::Half<decltype(half)> quarter;
    const auto pair = [&](int64_t i) TARN_LAMBDA {
      return hn::Combine(half, hn::LoadU(quarter, from + (i + 1) * distance),
                         hn::LoadU(quarter, from + i * distance));
    };
    return hn::Combine(d, pair(2), pair(0));
  } else {
    return hn::Combine(d, hn::LoadU(half, from + distance), hn::LoadU(half, from));
  }
}

// Each lane with its codes, the first in the low bits. Reads kReadBytes.
template <CodeKind kKind>
TARN_FN hn::Vec<Words> load_step(const uint8_t* from) {
  using Order = LaneOrder<kKind>;
  const Words d;
  const Bytes bytes;
  if constexpr (Order::kLaneBits == 32) {
    return hn::BitCast(d, hn::LoadU(bytes, from));
  } else {
    alignas(16) static constexpr uint8_t k24Bits[16] = {0, 1, 2, 128, 3, 4,  5,  128,
                                                        6, 7, 8, 128, 9, 10, 11, 128};
    alignas(16) static constexpr uint8_t k20Bits[16] = {0, 1, 2, 128, 2, 3, 4, 128,
                                                        5, 6, 7, 128, 7, 8, 9, 128};
    const auto places = hn::LoadDup128(bytes, Order::kLaneBits == 24 ? k24Bits : k20Bits);
    const auto all = load_quarters(from, Order::kQuarterBytes);
    const auto lanes = hn::BitCast(d, hn::TableLookupBytesOr0(all, places));
    if constexpr (Order::kLaneBits == 24) return lanes;
    alignas(16) static constexpr uint32_t kHalfBytes[4] = {0, 4, 0, 4};
    return hn::Shr(lanes, hn::LoadDup128(d, kHalfBytes));
  }
}

// The values of codes number kJ of the lanes.
template <CodeKind kKind, int kJ>
TARN_FN hn::Vec<Floats> step_values(hn::Vec<Words> lanes) {
  constexpr int kBits = cpu::bits_of(kKind);
  if constexpr (kKind == CodeKind::float8) {
    // The bits in their places of a float, which is then too small by a power of two. NaN is seen
    // to by the caller.
    const Floats d;
    const Ints di;
    const auto on_top = as_signed(hn::ShiftLeft<24 - 8 * kJ>(lanes));
    const auto placed = hn::And(hn::ShiftRight<4>(on_top), hn::Set(di, int32_t(0x87f00000)));
    return hn::Mul(hn::BitCast(d, placed), hn::Set(d, 0x1p120f));
  } else {
    const auto shifted = hn::ShiftRight<kBits * kJ>(lanes);
    // One lookup instead of masking and converting. For 4-bit floats AVX2 has it, too.
    if constexpr (kKind == CodeKind::float4 || (HWY_TARGET <= HWY_AVX3 && kBits <= 4)) {
      return looked_up<kKind>(shifted);
    }
    constexpr bool is_alone = kBits * (kJ + 1) == 32;
    const auto mask = hn::Set(Words(), (1 << kBits) - 1);
    return values_of_codes<kKind>(is_alone ? shifted : hn::And(shifted, mask));
  }
}

// `sums`, and for each lane the products of four times kN bytes of `codes` and of `digits`.
template <int kN>
TARN_FN hn::Vec<Ints> add_products(hn::Vec<Ints> sums, const hn::Vec<Bytes> (&codes)[kN],
                                   const uint8_t* digits) {
#if HWY_TARGET <= HWY_AVX3
  unrolled<kN>([&](auto i) TARN_LAMBDA {
    sums = hn::Vec<Ints>{_mm512_dpbusd_epi32(sums.raw, codes[i].raw,
                                             hn::LoadU(Bytes(), digits + i * kPackBytes).raw)};
  });
  return sums;
#else
  // Small codes: all of them add up to less than 2^15.
  __m256i pairs = _mm256_setzero_si256();
  unrolled<kN>([&](auto i) TARN_LAMBDA {
    pairs = _mm256_add_epi16(
        pairs, _mm256_maddubs_epi16(codes[i].raw, hn::LoadU(Bytes(), digits + i * kPackBytes).raw));
  });
  return hn::Add(sums, hn::Vec<Ints>{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#endif
}

// The sums of a step's lanes: codes times x, which begins with `digits`.
template <CodeKind kKind>
TARN_FN hn::Vec<Floats> step_by_digits(hn::Vec<Words> lanes, const uint8_t* digits) {
  constexpr int kBits = cpu::bits_of(kKind);
  constexpr int kN = kParts<kKind>;
  const Ints d;
  const auto mask = hn::Set(Bytes(), (1 << kBits) - 1);
  hn::Vec<Bytes> codes[kN];
  unrolled<kN>([&](auto i) TARN_LAMBDA {
    codes[i] = hn::And(hn::BitCast(Bytes(), hn::ShiftRight<kBits * i>(lanes)), mask);
  });
  auto sums = hn::Zero(d);
  unrolled<kDigits>([&](auto i) TARN_LAMBDA {
    if constexpr (i > 0) sums = hn::ShiftLeft<kDigitBits>(sums);
    sums = add_products(sums, codes, digits + (kDigits - 1 - i) * kN * kPackBytes);
  });
  const auto* const units = reinterpret_cast<const float*>(digits + kDigits * kN * kPackBytes);
  return hn::Mul(hn::ConvertTo(Floats(), sums), hn::LoadU(Floats(), units));
}

// The scales of a step's lanes, where groups are smaller than steps, else one for all.
class LaneScales {
 public:
  LaneScales(int64_t step, int64_t per_lane, int64_t group_size)
      : groups_per_step_(step / group_size),
        log2_steps_per_group_(std::countr_zero(uint64_t(std::max<int64_t>(1, group_size / step)))) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      indices_[lane] = int32_t(lane * per_lane / group_size);
    }
  }

  TARN_FN hn::Vec<Floats> operator()(const float* scales, int64_t step) const {
    const Floats d;
    if (log2_steps_per_group_ > 0) return hn::Set(d, scales[step >> log2_steps_per_group_]);
    return hn::TableLookupLanes(hn::LoadU(d, scales + step * groups_per_step_),
                                hn::SetTableIndices(d, indices_));
  }

 private:
  int64_t groups_per_step_;
  int log2_steps_per_group_;
  alignas(64) int32_t indices_[kLanes];
};

// The scales of some rows, with zeros behind: steps may end behind the last group. Of more rows
// than are multiplied at once, so that what has just been stored is not loaded at other places.
struct RowScales {
  static constexpr int kRowsAhead = 8;
  static constexpr int64_t kStride = kMaxGroups + 2 * 16;

  alignas(64) float scales[kRowsAhead][kStride];
  alignas(64) float biases[kRowsAhead][kStride];

  void load(const QuantizedDot& dot, int64_t row, int64_t n_rows, bool affine) {
    const int64_t n = dot.n_codes / dot.group_size;
    for (int64_t r = 0; r < n_rows; ++r) {
      const int64_t offset = (row + r) * dot.scales_row;
      load_row(dot.scale_kind, dot.scales + offset, n, scales[r]);
      if (affine) load_row(dot.scale_kind, dot.biases + offset, n, biases[r]);
    }
  }

 private:
  static void load_row(ScaleKind kind, const std::byte* from, int64_t n, float* to) {
    load_scales(kind, from, n, to);
    for (int64_t i = n; i < (n + 15) / 16 * 16; ++i) to[i] = 0;
    std::fill_n(to + (n + 15) / 16 * 16, 16, 0.0f);
  }
};

template <CodeKind kKind, bool kByDigits, int kR, int kX>
HWY_NOINLINE void dot_rows(const QuantizedDot& dot, const LaneScales& lane_scales,
                           const RowScales& row_scales, int64_t first, int64_t row, int64_t x_row) {
  using Order = LaneOrder<kKind>;
  const Floats d;
  const Words du;
  const Bytes bytes;
  const auto* const scales = row_scales.scales + (row - first);
  const auto* const biases = row_scales.biases + (row - first);
  const auto* codes = reinterpret_cast<const uint8_t*>(dot.codes) + row * dot.codes_row;
  const float* const x = dot.x + x_row * dot.x_row;
  const int64_t row_bytes = dot.n_codes * Order::kBits / 8;

  hn::Vec<Floats> totals[kR][kX];
  hn::Vec<Words> largest[kR];  // magnitudes of codes of 8-bit floats
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kX>([&](auto m) TARN_LAMBDA { totals[r][m] = hn::Zero(d); });
    largest[r] = hn::Zero(du);
  });
  for (int64_t step = 0; step * Order::kStepBytes < row_bytes; ++step) {
    const int64_t begin = step * Order::kStepBytes;
    hn::Vec<Words> lanes[kR];
    if (begin + Order::kReadBytes <= row_bytes) {
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        // Rows are too short for the processor to see where it goes on.
        __builtin_prefetch(codes + (r + kR) * dot.codes_row + begin);
        lanes[r] = load_step<kKind>(codes + r * dot.codes_row + begin);
      });
    } else {
      alignas(64) uint8_t padded[kR][Order::kReadBytes] = {};
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const int64_t n = std::min<int64_t>(row_bytes - begin, Order::kReadBytes);
        std::memcpy(padded[r], codes + r * dot.codes_row + begin, size_t(n));
        lanes[r] = load_step<kKind>(padded[r]);
      });
    }
    if constexpr (kKind == CodeKind::float8) {
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const auto magnitudes = hn::And(lanes[r], hn::Set(du, 0x7f7f7f7f));
        largest[r] = hn::BitCast(
            du, hn::Max(hn::BitCast(bytes, largest[r]), hn::BitCast(bytes, magnitudes)));
      });
    }
    hn::Vec<Floats> sums[kR][kX];
    const float* const x_step = x + step * Order::kStep;
    if constexpr (kByDigits) {
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        sums[r][0] = step_by_digits<kKind>(lanes[r], reinterpret_cast<const uint8_t*>(x_step));
      });
    } else {
      unrolled<Order::kPerLane>([&](auto j) TARN_LAMBDA {
        hn::Vec<Floats> w[kR];
        unrolled<kR>([&](auto r) TARN_LAMBDA {
          w[r] = step_values<kKind, int(decltype(j)::value)>(lanes[r]);
        });
        unrolled<kX>([&](auto m) TARN_LAMBDA {
          const auto xs = hn::LoadU(d, x_step + m * dot.x_row + j * kLanes);
          unrolled<kR>([&](auto r) TARN_LAMBDA {
            sums[r][m] = j == 0 ? hn::Mul(w[r], xs) : hn::MulAdd(w[r], xs, sums[r][m]);
          });
        });
      });
    }
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      const auto scale = lane_scales(scales[r], step);
      unrolled<kX>([&](auto m)
                       TARN_LAMBDA { totals[r][m] = hn::MulAdd(sums[r][m], scale, totals[r][m]); });
    });
  }

  unrolled<kR>([&](auto r) TARN_LAMBDA {
    const auto is_nan = hn::Eq(hn::BitCast(bytes, largest[r]), hn::Set(bytes, 0x7f));
    unrolled<kX>([&](auto m) TARN_LAMBDA {
      auto total = totals[r][m];
      if constexpr (cpu::is_affine(kKind)) {
        const float* const x_sums = dot.x_sums + (x_row + m) * dot.x_sums_row;
        const int64_t n = cpu::padded_sums(dot.n_codes, dot.group_size);
        for (int64_t i = 0; i < n; i += kLanes) {
          total = hn::MulAdd(hn::Load(d, biases[r] + i), hn::LoadU(d, x_sums + i), total);
        }
      }
      float sum = hn::GetLane(hn::SumOfLanes(d, total));
      if (kKind == CodeKind::float8 && !hn::AllFalse(bytes, is_nan)) sum = NAN;
      float& y = dot.y[(x_row + m) * dot.y_row + row + r];
      y = dot.add ? y + sum : sum;
    });
  });
}

template <CodeKind kKind>
void dot_all(const QuantizedDot& dot) {
  using Order = LaneOrder<kKind>;
  const LaneScales lane_scales(Order::kStep, Order::kPerLane, dot.group_size);
  RowScales scales;
  for (int64_t first = 0; first < dot.n_rows; first += RowScales::kRowsAhead) {
    const int64_t end = std::min<int64_t>(first + RowScales::kRowsAhead, dot.n_rows);
    scales.load(dot, first, end - first, cpu::is_affine(kKind));
    const auto dot_x_rows = [&]<bool kByDigits, int kX>(std::bool_constant<kByDigits>,
                                                        std::integral_constant<int, kX>,
                                                        int64_t x_row) {
      int64_t row = first;
      for (; row + kRows <= end; row += kRows) {
        dot_rows<kKind, kByDigits, kRows, kX>(dot, lane_scales, scales, first, row, x_row);
      }
      if (row < end) dot_rows<kKind, kByDigits, 1, kX>(dot, lane_scales, scales, first, row, x_row);
    };
    constexpr std::integral_constant<int, 1> kOne;
    constexpr std::integral_constant<int, kDotXRows> kSeveral;
    if constexpr (kHasDigits<kKind>) {
      if (dot.by_digits) {
        for (int64_t i = 0; i < dot.m; ++i) dot_x_rows(std::true_type(), kOne, i);
        continue;
      }
    }
    int64_t x_row = 0;
    for (; x_row + kDotXRows <= dot.m; x_row += kDotXRows) {
      dot_x_rows(std::false_type(), kSeveral, x_row);
    }
    for (; x_row < dot.m; ++x_row) dot_x_rows(std::false_type(), kOne, x_row);
  }
}

template <CodeKind kKind>
void arrange_floats(const float* x, int64_t n, float* to) {
  using Order = LaneOrder<kKind>;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t in_step = i % Order::kStep;
    to[i - in_step + in_step % Order::kPerLane * kLanes + in_step / Order::kPerLane] = x[i];
  }
}

// Where an element of a lane is infinite or NaN, the unit is NaN.
template <CodeKind kKind>
void arrange_digits(const float* x, int64_t n, float* to) {
  using Order = LaneOrder<kKind>;
  using Format = math::approx::FloatFormat<float>;
  constexpr int kN = kParts<kKind>;
  static_assert((kDigits * kN + 1) * kPackBytes <= Order::kStep * int64_t{sizeof(float)});
  constexpr int kSmallest = kMagnitudeBits;  // so that units are normal numbers
  for (int64_t i = 0; i < n; i += Order::kPerLane) {
    int32_t largest = 0;
    for (int j = 0; j < Order::kPerLane; ++j) {
      largest = std::max(largest, math::bits(math::abs(x[i + j])));
    }
    const bool is_finite = math::from_bits(largest) < Format::kInfinity;
    const int exponent = std::max(largest >> Format::kMantissaBits, kSmallest);
    // The largest magnitude is below 2^(exponent + 1 - bias), and is to be below 2^kMagnitudeBits.
    const int shift = kMagnitudeBits - (exponent + 1 - Format::kExponentBias);
    const float factor = is_finite ? math::approx::power_of_two<float>(shift) : 0;
    const int64_t step = i / Order::kStep, lane = i % Order::kStep / Order::kPerLane;
    auto* const digits = reinterpret_cast<uint8_t*>(to + step * Order::kStep);
    for (int j = 0; j < Order::kPerLane; ++j) {
      const float rounded = (is_finite ? x[i + j] : 0) * factor + Format::kIntegerMagic;
      int32_t left = math::bits(rounded) - math::bits(Format::kIntegerMagic);
      for (int digit = 0; digit < kDigits; ++digit) {
        const auto low = static_cast<int8_t>(left);
        digits[(digit * kN + j % kN) * kPackBytes + lane * 4 + j / kN] = uint8_t(low);
        left = (left - low) >> kDigitBits;
      }
    }
    reinterpret_cast<float*>(digits + kDigits * kN * kPackBytes)[lane] =
        is_finite ? math::approx::power_of_two<float>(-shift) : Format::kNaN;
  }
}

template <CodeKind kKind>
void arrange(const float* x, int64_t n, int64_t group_size, bool by_digits, float* to,
             float* sums) {
  using Order = LaneOrder<kKind>;
  const int64_t padded = (n + cpu::kMaxDotStep - 1) / cpu::kMaxDotStep * cpu::kMaxDotStep;
  const int64_t whole = n / Order::kStep * Order::kStep;
  std::fill(to + whole, to + padded, 0.0f);
  if (!by_digits) {
    arrange_floats<kKind>(x, n, to);
  } else if constexpr (kHasDigits<kKind>) {
    arrange_digits<kKind>(x, n, to);
  }
  const int64_t n_groups = n / group_size;
  std::fill(sums + n_groups, sums + cpu::padded_sums(n, group_size), 0.0f);
  for (int64_t group = 0; group < n_groups; ++group) {
    float sum = 0;
    for (int64_t i = 0; i < group_size; ++i) sum += x[group * group_size + i];
    sums[group] = sum;
  }
}

}  // namespace

void add_quantized_dots(cpu::QuantizedKernels& kernels) {
  for_each_code_kind([&](auto kind) {
    kernels.arrange[static_cast<int>(kind.value)] = arrange<kind.value>;
    kernels.dot[static_cast<int>(kind.value)] = dot_all<kind.value>;
  });
}

}  // namespace tarn::HWY_NAMESPACE
