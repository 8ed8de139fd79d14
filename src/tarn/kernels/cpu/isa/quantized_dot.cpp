// Few rows of x times rows of codes.
//
// A step takes as many codes as fill the 32-bit lanes of a pack: each lane has some that follow
// each other, of one group. One shift then brings the next code of all lanes into place, so that a
// code costs no more than the shift, the conversion and the product. x is put into that order
// beforehand. Scales are applied to the sums of a step, biases to the sums of the groups of x.
//
// With so few rows of x that unpacking codes is most of the work, those of 2 and 4 bits stay
// integers (docs/decisions/0016-vectors-times-codes.md): x is cut into digits of 8 bits, two or
// three for each element, and one instruction multiplies all bytes of a pack and adds up those of a
// lane.
#include <bit>
#include <cmath>

#include "tarn/kernels/cpu/isa/quantized_codes.h"
#include "tarn/math/approx.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::kDotDepth;
using cpu::kDotXRows;
using cpu::QuantizedDot;

// Rows of codes that are multiplied at once. With several rows of x, the sums of two by four are
// half of AVX2's registers; with AVX-512 those of all steps have room, too. By digits a row has one
// sum, and its codes take registers: four rows have room in those of AVX-512.
constexpr int rows_at_once(int n_digits) { return n_digits > 0 && HWY_TARGET <= HWY_AVX3 ? 4 : 2; }

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
constexpr int kDigitBits = 8;
// Of the largest element of a lane. Signed digits hold numbers a little below a power of two, two
// of them below 2^15 and three below 2^23. Sums of a lane are below 2^29.
constexpr int magnitude_bits(int n_digits) { return n_digits * kDigitBits - 2; }
constexpr int64_t kPackBytes = kLanes * int64_t{sizeof(float)};
template <CodeKind kKind>
constexpr int kParts = 8 / cpu::bits_of(kKind);

// Calls f(constant) with the digits of each element of x, 0 if it stays a float.
template <CodeKind kKind, class F>
void with_digits(int n_digits, F f) {
  if constexpr (cpu::has_digits(kKind)) {
    if (n_digits == 2) return f(std::integral_constant<int, 2>());
    if (n_digits == 3) return f(std::integral_constant<int, 3>());
  }
  f(std::integral_constant<int, 0>());
}

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
                                   const hn::Vec<Bytes> (&digits)[kN]) {
#if HWY_TARGET <= HWY_AVX3
  unrolled<kN>([&](auto i) TARN_LAMBDA {
    sums = hn::Vec<Ints>{_mm512_dpbusd_epi32(sums.raw, codes[i].raw, digits[i].raw)};
  });
  return sums;
#else
  // Small codes: all of them add up to less than 2^15.
  __m256i pairs = _mm256_setzero_si256();
  unrolled<kN>([&](auto i) TARN_LAMBDA {
    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(codes[i].raw, digits[i].raw));
  });
  return hn::Add(sums, hn::Vec<Ints>{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#endif
}

// The sums of a step's lanes for each row: codes times x, which begins with `digits`.
template <CodeKind kKind, int kDigits, int kR>
TARN_FN void step_by_digits(const hn::Vec<Words> (&lanes)[kR], const uint8_t* digits,
                            hn::Vec<Floats> (&sums)[kR][1]) {
  constexpr int kBits = cpu::bits_of(kKind);
  constexpr int kN = kParts<kKind>;
  const Ints d;
  const Bytes bytes;
  const auto mask = hn::Set(bytes, (1 << kBits) - 1);
  hn::Vec<Bytes> codes[kR][kN];
  hn::Vec<Ints> whole[kR];
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kN>([&](auto i) TARN_LAMBDA {
      codes[r][i] = hn::And(hn::BitCast(bytes, hn::ShiftRight<kBits * i>(lanes[r])), mask);
    });
    whole[r] = hn::Zero(d);
  });
  unrolled<kDigits>([&](auto i) TARN_LAMBDA {
    hn::Vec<Bytes> xs[kN];
    unrolled<kN>([&](auto part) TARN_LAMBDA {
      xs[part] = hn::Load(bytes, digits + ((kDigits - 1 - i) * kN + part) * kPackBytes);
    });
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      if constexpr (i > 0) whole[r] = hn::ShiftLeft<kDigitBits>(whole[r]);
      whole[r] = add_products(whole[r], codes[r], xs);
    });
  });
  const auto units =
      hn::Load(Floats(), reinterpret_cast<const float*>(digits + kDigits * kN * kPackBytes));
  unrolled<kR>([&](auto r)
                   TARN_LAMBDA { sums[r][0] = hn::Mul(hn::ConvertTo(Floats(), whole[r]), units); });
}

// The scales of a step's lanes, where groups are smaller than steps, else one for all.
class LaneScales {
 public:
  LaneScales(int64_t step, int64_t per_lane, int64_t group_size)
      : groups_per_step_(step / group_size),
        log2_steps_per_group_(std::countr_zero(uint64_t(std::max<int64_t>(1, group_size / step)))) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      groups_[lane] = int32_t(lane * per_lane / group_size);
    }
  }

  // Calls f(scale_of), which gives those of a row whose first is scales[0]: what is the same for
  // all rows is found once. Rows are whole packs, and groups of a step lie in one.
  template <class F>
  TARN_FN void for_step(int64_t step, F f) const {
    const Floats d;
    if (log2_steps_per_group_ > 0) {
      f([&](const float* scales)
            TARN_LAMBDA { return hn::Set(d, scales[step >> log2_steps_per_group_]); });
    } else {
      const int64_t first = step * groups_per_step_;
      const int64_t first_in_pack = first & (kLanes - 1);
      const auto groups =
          hn::Add(hn::Load(Ints(), groups_), hn::Set(Ints(), int32_t(first_in_pack)));
      const auto indices = hn::IndicesFromVec(d, groups);
      f([&](const float* scales) TARN_LAMBDA {
        return hn::TableLookupLanes(hn::Load(d, scales + first - first_in_pack), indices);
      });
    }
  }

 private:
  int64_t groups_per_step_;
  int log2_steps_per_group_;
  alignas(64) int32_t groups_[kLanes];
};

// The scales of some rows, whole packs with what is finite behind the last group, as steps may end
// there. Of more rows than are multiplied at once, so that what has just been stored is not loaded
// at other places.
struct RowScales {
  static constexpr int kRowsAhead = 8;
  static constexpr int64_t kStride = kMaxGroups + 16;  // not a power of two

  alignas(64) float scales[kRowsAhead][kStride];
  alignas(64) float biases[kRowsAhead][kStride];

  void load(const QuantizedDot& dot, int64_t row, int64_t n_rows, bool affine) {
    const int64_t n = dot.n_codes / dot.group_size;
    for (int64_t r = 0; r < n_rows; ++r) {
      const int64_t offset = (row + r) * dot.scales_row;
      load_scales(dot.scale_kind, dot.scales + offset, n, scales[r]);
      if (affine) load_scales(dot.scale_kind, dot.biases + offset, n, biases[r]);
    }
  }
};

template <CodeKind kKind, int kDigits, int kR, int kX>
HWY_NOINLINE void dot_rows(const QuantizedDot& dot, const LaneScales& lane_scales,
                           const RowScales& row_scales, int64_t first, int64_t row, int64_t x_row) {
  using Order = LaneOrder<kKind>;
  const Floats d;
  const Words du;
  const Bytes bytes;
  const auto* const scales = row_scales.scales + (row - first);
  const auto* const biases = row_scales.biases + (row - first);
  const auto* codes = reinterpret_cast<const uint8_t*>(dot.codes) + row * dot.codes_row;
  const float* const x = dot.x + x_row * dot.x_row + dot.begin * kX;
  const int64_t row_bytes = dot.n_codes * Order::kBits / 8;

  hn::Vec<Floats> totals[kR][kX];
  hn::Vec<Words> largest[kR];  // magnitudes of codes of 8-bit floats
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kX>([&](auto m) TARN_LAMBDA { totals[r][m] = hn::Zero(d); });
    largest[r] = hn::Zero(du);
  });
  const auto multiply = [&](const hn::Vec<Words>(&lanes)[kR], int64_t step) TARN_LAMBDA {
    if constexpr (kKind == CodeKind::float8) {
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const auto magnitudes = hn::And(lanes[r], hn::Set(du, 0x7f7f7f7f));
        largest[r] = hn::BitCast(
            du, hn::Max(hn::BitCast(bytes, largest[r]), hn::BitCast(bytes, magnitudes)));
      });
    }
    hn::Vec<Floats> sums[kR][kX];
    const float* const x_step = x + step * Order::kStep * kX;
    if constexpr (kDigits > 0) {
      step_by_digits<kKind, kDigits>(lanes, reinterpret_cast<const uint8_t*>(x_step), sums);
    } else {
      unrolled<Order::kPerLane>([&](auto j) TARN_LAMBDA {
        hn::Vec<Floats> w[kR];
        unrolled<kR>([&](auto r) TARN_LAMBDA {
          w[r] = step_values<kKind, int(decltype(j)::value)>(lanes[r]);
        });
        unrolled<kX>([&](auto m) TARN_LAMBDA {
          const auto xs = hn::Load(d, x_step + m * Order::kStep + j * kLanes);
          unrolled<kR>([&](auto r) TARN_LAMBDA {
            sums[r][m] = j == 0 ? hn::Mul(w[r], xs) : hn::MulAdd(w[r], xs, sums[r][m]);
          });
        });
      });
    }
    lane_scales.for_step(step, [&](auto scale_of) TARN_LAMBDA {
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const auto scale = scale_of(scales[r]);
        unrolled<kX>([&](auto m) TARN_LAMBDA {
          totals[r][m] = hn::MulAdd(sums[r][m], scale, totals[r][m]);
        });
      });
    });
  };
  hn::Vec<Words> lanes[kR];
  int64_t step = 0, begin = 0;
  for (; begin + Order::kReadBytes <= row_bytes; ++step, begin += Order::kStepBytes) {
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      // Rows are too short for the processor to see where it goes on.
      __builtin_prefetch(codes + (r + kR) * dot.codes_row + begin);
      lanes[r] = load_step<kKind>(codes + r * dot.codes_row + begin);
    });
    multiply(lanes, step);
  }
  for (; begin < row_bytes; ++step, begin += Order::kStepBytes) {
    alignas(64) uint8_t padded[Order::kReadBytes] = {};
    const int64_t n = std::min<int64_t>(row_bytes - begin, Order::kReadBytes);
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      std::memcpy(padded, codes + r * dot.codes_row + begin, size_t(n));
      lanes[r] = load_step<kKind>(padded);
    });
    multiply(lanes, step);
  }

  unrolled<kR>([&](auto r) TARN_LAMBDA {
    const auto is_nan = hn::Eq(hn::BitCast(bytes, largest[r]), hn::Set(bytes, 0x7f));
    unrolled<kX>([&](auto m) TARN_LAMBDA {
      auto total = totals[r][m];
      if constexpr (cpu::is_affine(kKind)) {
        const float* const x_sums = dot.x_sums + (x_row + m) * dot.x_sums_row;
        for (int64_t i = 0; i < dot.n_codes / dot.group_size; i += kLanes) {
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

template <CodeKind kKind, int kDigits, int kX>
void dot_x_rows(const QuantizedDot& dot, const LaneScales& lane_scales, const RowScales& scales,
                int64_t first, int64_t end, int64_t x_row) {
  constexpr int kRows = rows_at_once(kDigits);
  int64_t row = first;
  for (; row + kRows <= end; row += kRows) {
    dot_rows<kKind, kDigits, kRows, kX>(dot, lane_scales, scales, first, row, x_row);
  }
  for (; row < end; ++row) {
    dot_rows<kKind, kDigits, 1, kX>(dot, lane_scales, scales, first, row, x_row);
  }
}

template <CodeKind kKind>
void dot_all(const QuantizedDot& dot) {
  using Order = LaneOrder<kKind>;
  const LaneScales lane_scales(Order::kStep, Order::kPerLane, dot.group_size);
  RowScales scales;
  for (int64_t first = 0; first < dot.n_rows; first += RowScales::kRowsAhead) {
    const int64_t end = std::min<int64_t>(first + RowScales::kRowsAhead, dot.n_rows);
    scales.load(dot, first, end - first, cpu::is_affine(kKind));
    with_digits<kKind>(dot.n_digits, [&](auto n_digits) {
      int64_t x_row = 0;
      if constexpr (n_digits == 0) {
        for (; x_row + kDotXRows <= dot.m; x_row += kDotXRows) {
          dot_x_rows<kKind, 0, kDotXRows>(dot, lane_scales, scales, first, end, x_row);
        }
      }
      for (; x_row < dot.m; ++x_row) {
        dot_x_rows<kKind, n_digits, 1>(dot, lane_scales, scales, first, end, x_row);
      }
    });
  }
}

// Element number j of each lane of a step.
template <CodeKind kKind>
TARN_FN hn::Vec<Floats> lane_elements(const float* step, int j) {
  const Ints d;
  const auto first = hn::Mul(hn::Iota(d, 0), hn::Set(d, LaneOrder<kKind>::kPerLane));
  return hn::GatherIndex(Floats(), step + j, first);
}

template <CodeKind kKind>
void arrange_floats(const float* step, float* to) {
  unrolled<LaneOrder<kKind>::kPerLane>([&](auto j) TARN_LAMBDA {
    hn::Store(lane_elements<kKind>(step, j), Floats(), to + j * kLanes);
  });
}

// Where an element of a lane is infinite or NaN, the unit is NaN.
template <CodeKind kKind, int kDigits>
void arrange_digits(const float* step, float* to) {
  using Order = LaneOrder<kKind>;
  using Format = math::approx::FloatFormat<float>;
  constexpr int kN = kParts<kKind>;
  static_assert((kDigits * kN + 1) * kPackBytes <= Order::kStep * int64_t{sizeof(float)});
  constexpr int kMagnitudeBits = magnitude_bits(kDigits);
  const Floats d;
  const Ints di;
  hn::Vec<Floats> x[Order::kPerLane];
  auto largest = hn::Zero(di);
  unrolled<Order::kPerLane>([&](auto j) TARN_LAMBDA {
    x[j] = lane_elements<kKind>(step, j);
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(x[j])));
  });
  const auto is_finite =
      hn::RebindMask(d, hn::Lt(largest, hn::Set(di, math::bits(Format::kInfinity))));
  // So large that units are normal numbers.
  const auto exponent =
      hn::Max(hn::ShiftRight<Format::kMantissaBits>(largest), hn::Set(di, kMagnitudeBits));
  // The largest magnitude is below 2^(exponent + 1 - bias), and is to be below 2^kMagnitudeBits.
  const auto shift = hn::Sub(hn::Set(di, kMagnitudeBits - 1 + Format::kExponentBias), exponent);
  const auto power_of_two = [&](auto n) TARN_LAMBDA {
    return math::approx::power_of_two<Pack<float>>(Pack<int32_t>(n)).v;
  };
  const auto factor = power_of_two(shift);
  const auto magic = hn::Set(d, Format::kIntegerMagic);
  // Digits are a number's bytes after half a byte's range is added to each of them, which is taken
  // away again from the bytes.
  const auto halves = hn::Set(di, kDigits == 2 ? 0x8080 : 0x808080);
  hn::Vec<Ints> digits[kDigits][kN];
  unrolled<Order::kPerLane>([&](auto j) TARN_LAMBDA {
    const auto finite = hn::IfThenElseZero(is_finite, x[j]);
    const auto rounded = hn::BitCast(di, hn::MulAdd(finite, factor, magic));
    const auto number = hn::Add(hn::Sub(rounded, hn::BitCast(di, magic)), halves);
    unrolled<kDigits>([&](auto i) TARN_LAMBDA {
      const auto byte = hn::And(hn::ShiftRight<kDigitBits * i>(number), hn::Set(di, 0xff));
      const auto placed = hn::ShiftLeft<8 * (j / kN)>(byte);
      auto& words = digits[i][j % kN];
      words = j < kN ? placed : hn::Or(words, placed);
    });
  });
  unrolled<kDigits>([&](auto i) TARN_LAMBDA {
    unrolled<kN>([&](auto part) TARN_LAMBDA {
      const auto words = hn::Xor(digits[i][part], hn::Set(di, int32_t(0x80808080)));
      hn::Store(hn::BitCast(d, words), d, to + (i * kN + part) * kLanes);
    });
  });
  const auto unit = hn::IfThenElse(is_finite, power_of_two(hn::Neg(shift)), hn::NaN(d));
  hn::Store(unit, d, to + kDigits * kN * kLanes);
}

void sum_groups(const float* x, int64_t n, int64_t group_size, float* sums) {
  const Floats d;
  const int64_t n_groups = n / group_size;
  std::fill(sums + n_groups, sums + cpu::padded_sums(n, group_size), 0.0f);
  for (int64_t group = 0; group < n_groups; ++group) {
    const float* const from = x + group * group_size;
    auto sum = hn::LoadU(d, from);
    for (int64_t i = kLanes; i < group_size; i += kLanes) {
      sum = hn::Add(sum, hn::LoadU(d, from + i));
    }
    sums[group] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

// kDotXRows rows that are multiplied at once lie step by step, the others row by row.
template <CodeKind kKind>
void arrange(const float* x, int64_t n, int64_t group_size, int n_digits, int64_t row, int64_t m,
             float* to, float* sums) {
  using Order = LaneOrder<kKind>;
  const int64_t size = cpu::padded_x(n), first = row - row % kDotXRows;
  const bool is_shared = first + kDotXRows <= m;
  to += is_shared ? first * size + (row - first) * Order::kStep : row * size;
  with_digits<kKind>(n_digits, [&](auto count) {
    for (int64_t i = 0; i < size; i += Order::kStep) {
      float* const to_step = to + i * (is_shared ? kDotXRows : 1);
      if constexpr (count == 0) {
        arrange_floats<kKind>(x + i, to_step);
      } else {
        arrange_digits<kKind, count>(x + i, to_step);
      }
    }
  });
  if constexpr (cpu::is_affine(kKind)) {
    sum_groups(x, n, group_size, sums + row * cpu::padded_sums(n, group_size));
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
