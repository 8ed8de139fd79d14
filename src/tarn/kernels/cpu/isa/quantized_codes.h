// What the loops of quantized arrays share: codes and scales as floats. For files compiled once per
// instruction set.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tarn/kernels/cpu/isa/matmul_pack.h"
#include "tarn/kernels/cpu/quantized_kernels.h"
#include "tarn/math/float4.h"
#include "tarn/math/float8.h"
#include "tarn/math/power_of_two8.h"

namespace tarn::HWY_NAMESPACE {

using cpu::CodeKind;
using cpu::ScaleKind;

using Floats = hn::ScalableTag<float>;
using Words = hn::ScalableTag<uint32_t>;
using Ints = hn::ScalableTag<int32_t>;
using Bytes = hn::ScalableTag<uint8_t>;
inline constexpr int64_t kLanes = Pack<float>::kLanes;

void add_quantizers(cpu::QuantizedKernels& kernels);
void add_dequantizers(cpu::QuantizedKernels& kernels);
void add_quantized_dots(cpu::QuantizedKernels& kernels);

// Calls f(constant) for each kind of codes.
template <class F>
TARN_FN void for_each_code_kind(F f) {
  unrolled<cpu::kCodeKinds>([&](auto kind) {
    f(std::integral_constant<CodeKind, static_cast<CodeKind>(decltype(kind)::value)>{});
  });
}

// The values of codes of at most four bits, as often as sixteen entries hold them.
template <CodeKind kKind>
struct ValueTable {
  alignas(64) float values[16];

  constexpr ValueTable() : values() {
    for (int i = 0; i < 16; ++i) {
      const float magnitude = math::kFloat4Values[i % 8];
      values[i] = kKind != CodeKind::float4 ? float(i % (1 << cpu::bits_of(kKind)))
                  : i < 8                   ? magnitude
                                            : -magnitude;
    }
  }
};

// The values of codes in the low bits of each lane. The other bits are zero, or where AVX-512 looks
// four bits up, of any value.
template <CodeKind kKind>
TARN_FN hn::Vec<Floats> looked_up(hn::Vec<Words> lanes) {
  static constexpr ValueTable<kKind> kTable;
  const Floats d;
#if HWY_TARGET <= HWY_AVX3
  return hn::Vec<Floats>{_mm512_permutexvar_ps(lanes.raw, hn::Load(d, kTable.values).raw)};
#else
  // Magnitudes by the three low bits, which are all that the instruction looks at.
  const auto magnitudes = hn::Load(d, kTable.values);
  const auto sign = hn::BitCast(d, hn::ShiftLeft<28>(hn::And(lanes, hn::Set(Words(), 8))));
  return hn::Or(hn::Vec<Floats>{_mm256_permutevar8x32_ps(magnitudes.raw, lanes.raw)}, sign);
#endif
}

TARN_FN hn::Vec<hn::RebindToSigned<Words>> as_signed(hn::Vec<Words> words) {
  return hn::BitCast(hn::RebindToSigned<Words>(), words);
}

// The numbers that codes, one in the low bits of each lane, stand for before they are scaled.
template <CodeKind kKind>
TARN_FN hn::Vec<Floats> values_of_codes(hn::Vec<Words> codes) {
  if constexpr (kKind == CodeKind::float4) {
    return looked_up<kKind>(codes);
  } else if constexpr (kKind == CodeKind::float8) {
    return math::from_float8_e4m3<Pack<float>>(Pack<int32_t>(as_signed(codes))).v;
  } else {
    return hn::ConvertTo(Floats(), as_signed(codes));
  }
}

// n scales as floats, by packs of which `convert` makes one from raw scales. What is behind them,
// up to a multiple of a pack, is finite.
template <class Raw, class F>
TARN_FN void convert_scales(const void* from, int64_t n, float* to, F convert) {
  const Raw* raw = static_cast<const Raw*>(from);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, convert(raw + i));
  if (i == n) return;
  alignas(64) Raw padded[kLanes];
  std::memset(static_cast<void*>(padded), 0, sizeof(padded));
  std::memcpy(static_cast<void*>(padded), raw + i, size_t(n - i) * sizeof(Raw));
  store(to + i, convert(padded));
}

inline void load_scales(ScaleKind kind, const void* from, int64_t n, float* to) {
  const auto loaded = [](const auto* raw) TARN_LAMBDA { return load(raw); };
  switch (kind) {
    case ScaleKind::float32:
      return convert_scales<float>(from, n, to, loaded);
    case ScaleKind::float16:
      return convert_scales<float16_t>(from, n, to, loaded);
    case ScaleKind::bfloat16:
      return convert_scales<bfloat16_t>(from, n, to, loaded);
    case ScaleKind::power_of_two8:
      return convert_scales<Code>(from, n, to, [](const Code* raw) TARN_LAMBDA {
        return math::from_power_of_two8<Pack<float>>(load(raw));
      });
    case ScaleKind::float8:
      return convert_scales<Code>(from, n, to, [](const Code* raw) TARN_LAMBDA {
        return math::from_float8_e4m3<Pack<float>>(load(raw));
      });
  }
}

}  // namespace tarn::HWY_NAMESPACE
