// What the loops of quantized arrays share: codes and scales as floats. For files compiled once per
// instruction set.
#pragma once

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

// The values of 4-bit floats. Higher bits of the lanes are zero.
TARN_FN hn::Vec<Floats> float4_values(hn::Vec<Words> codes) {
  const Floats d;
  const Words du;
  alignas(64) float table[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) table[i] = math::kFloat4Values[i % 8];
  const auto magnitude_code =
      hn::BitCast(hn::RebindToSigned<Words>(), hn::And(codes, hn::Set(du, 7)));
  const auto magnitude =
      hn::TableLookupLanes(hn::Load(d, table), hn::IndicesFromVec(d, magnitude_code));
  const auto sign = hn::ShiftLeft<28>(hn::And(codes, hn::Set(du, 8)));
  return hn::Or(magnitude, hn::BitCast(d, sign));
}

// The numbers that codes, one in the low bits of each lane, stand for before they are scaled.
template <CodeKind kKind>
TARN_FN hn::Vec<Floats> values_of_codes(hn::Vec<Words> codes) {
  const hn::ScalableTag<int32_t> di;
  if constexpr (kKind == CodeKind::float4) {
    return float4_values(codes);
  } else if constexpr (kKind == CodeKind::float8) {
    return math::from_float8_e4m3<Pack<float>>(Pack<int32_t>(hn::BitCast(di, codes))).v;
  } else {
    return hn::ConvertTo(Floats(), hn::BitCast(di, codes));
  }
}

// One pack of n scales, of which the raw bytes may be read past the last.
TARN_FN Pack<float> load_scale_pack(ScaleKind kind, const void* from) {
  const auto codes = [&] { return load(static_cast<const Code*>(from)); };
  switch (kind) {
    case ScaleKind::float32:
      return load(static_cast<const float*>(from));
    case ScaleKind::float16:
      return load(static_cast<const float16_t*>(from));
    case ScaleKind::bfloat16:
      return load(static_cast<const bfloat16_t*>(from));
    case ScaleKind::power_of_two8:
      return math::from_power_of_two8<Pack<float>>(codes());
    case ScaleKind::float8:
      break;
  }
  return math::from_float8_e4m3<Pack<float>>(codes());
}

// n scales as floats; what is behind them, up to a multiple of a pack, is finite.
inline void load_scales(ScaleKind kind, const void* from, int64_t n, float* to) {
  const int64_t pack_bytes = kLanes * cpu::size_of(kind);
  const std::byte* bytes = static_cast<const std::byte*>(from);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes, bytes += pack_bytes) {
    store(to + i, load_scale_pack(kind, bytes));
  }
  if (i == n) return;
  alignas(64) std::byte padded[kLanes * sizeof(float)] = {};
  std::memcpy(padded, bytes, size_t((n - i) * cpu::size_of(kind)));
  store(to + i, load_scale_pack(kind, padded));
}

}  // namespace tarn::HWY_NAMESPACE
