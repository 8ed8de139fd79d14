// Codes and scales from numbers: groups are measured, then their scales are worked out, a pack of
// groups at a time, then their numbers are rounded and packed.
#include <immintrin.h>

#include "tarn/kernels/cpu/isa/quantized_codes.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::kBlockGroups;
using cpu::QuantizeBlock;

// Of each group. What codes are made with is not rounded to the dtype that is stored.
struct Groups {
  alignas(64) float low[kBlockGroups];
  alignas(64) float high[kBlockGroups];
  alignas(64) float scale[kBlockGroups];
  alignas(64) float bias[kBlockGroups];
};

// Of affine codes the least and the largest number, of floats the largest magnitude.
template <CodeKind kKind, class E>
void find_extremes(const E* w, const QuantizeBlock& block, Groups& groups) {
  const Floats d;
  for (int64_t group = 0; group < block.n_groups; ++group, w += block.group_size) {
    const auto at = [&](int64_t i) TARN_LAMBDA {
      const auto x = load_lanes(d, w + i);
      return cpu::is_affine(kKind) ? x : hn::Abs(x);
    };
    auto low = at(0);
    auto high = low;
    for (int64_t i = kLanes; i < block.group_size; i += kLanes) {
      low = hn::Min(low, at(i));
      high = hn::Max(high, at(i));
    }
    groups.high[group] = hn::GetLane(hn::MaxOfLanes(d, high));
    if (cpu::is_affine(kKind)) groups.low[group] = hn::GetLane(hn::MinOfLanes(d, low));
  }
}

// Stores the packs that `f` makes of the n groups, of which the number of the first is given.
template <class E, class F>
TARN_FN void store_packs(E* to, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, f(i));
  if (i == n) return;
  alignas(64) E padded[kLanes];
  store(padded, f(i));
  std::memcpy(to + i, padded, size_t(n - i) * sizeof(E));
}

// The scale spreads the codes over the group; it is then changed a little, so that zero has a code
// and the number that is farthest from zero, the bias, is exact.
template <int kBits, class E>
void find_affine_scales(const QuantizeBlock& block, Groups& groups) {
  using V = Pack<float>;
  const V n_steps((1 << kBits) - 1), zero(0);
  for (int64_t i = 0; i < block.n_groups; i += kLanes) {
    const V low = load(groups.low + i), high = load(groups.high + i);
    const auto low_is_farther = abs(low) > abs(high);
    V scale = (high - low) / n_steps;
    scale = select(scale > V(1e-7f), scale, V(1e-7f));
    scale = select(low_is_farther, scale, -scale);
    const V edge = select(low_is_farther, low, high);
    const V code = round_even(edge / scale);
    const auto has_code = code != zero;
    store(groups.scale + i, select(has_code, edge / code, scale));
    store(groups.bias + i, select(has_code, edge, zero));
  }
  store_packs(static_cast<E*>(block.scales), block.n_groups,
              [&](int64_t i) TARN_LAMBDA { return V(load(groups.scale + i)); });
  store_packs(static_cast<E*>(block.biases), block.n_groups,
              [&](int64_t i) TARN_LAMBDA { return V(load(groups.bias + i)); });
}

template <CodeKind kKind>
void find_float_scales(const QuantizeBlock& block, Groups& groups) {
  using V = Pack<float>;
  const V largest_code(kKind == CodeKind::float4 ? math::kFloat4Max : 448);
  const V factor(block.factor);
  store_packs(static_cast<Code*>(block.scales), block.n_groups, [&](int64_t i) TARN_LAMBDA {
    const V scale = load(groups.high + i) / largest_code;
    if (block.scale_kind == ScaleKind::power_of_two8) {
      const Pack<int32_t> code = math::to_power_of_two8(scale);
      store(groups.scale + i, math::from_power_of_two8<V>(code));
      return code;
    }
    const Pack<int32_t> code = math::to_float8_e4m3(scale * factor);
    store(groups.scale + i, math::from_float8_e4m3<V>(code));
    return code;
  });
}

// The codes of a pack's lanes. NaN has code zero if they are affine, else what math/ has.
template <CodeKind kKind>
TARN_FN Pack<int32_t> codes_of(Pack<float> x, Pack<float> scale, Pack<float> bias, float factor) {
  const Floats d;
  if constexpr (cpu::is_affine(kKind)) {
    const auto n_steps = hn::Set(d, float((1 << cpu::bits_of(kKind)) - 1));
    // In this order, in which x86 takes zero of NaN and zero.
    const auto bounded = hn::Min(hn::Max(((x - bias) / scale).v, hn::Zero(d)), n_steps);
    return hn::NearestInt(bounded);
  } else {
    // A scale of zero is that of a group too small to tell from zero.
    const Pack<float> scaled = x * Pack<float>(factor) / scale;
    const Pack<float> zero(0);
    const Pack<float> y = select(scale == zero, zero, scaled);
    return kKind == CodeKind::float4 ? math::to_float4_e2m1(y) : math::to_float8_e4m3(y);
  }
}

template <CodeKind kKind, class E>
void write_codes(const E* w, const QuantizeBlock& block, const Groups& groups) {
  constexpr int kBits = cpu::bits_of(kKind);
  uint8_t* to = static_cast<uint8_t*>(block.codes);
  alignas(64) uint8_t codes[128];
  for (int64_t group = 0; group < block.n_groups; ++group, w += block.group_size) {
    const Pack<float> scale(groups.scale[group]), bias(groups.bias[group]);
    for (int64_t i = 0; i < block.group_size; i += kLanes) {
      store(reinterpret_cast<Code*>(codes) + i,
            codes_of<kKind>(load(w + i), scale, bias, block.factor));
    }
    for (int64_t i = 0; i < block.group_size; i += 8, to += kBits) {
      constexpr uint64_t kLowBits = 0x0101010101010101u * ((1u << kBits) - 1);
      uint64_t eight;
      std::memcpy(&eight, codes + i, 8);
      eight = _pext_u64(eight, kLowBits);
      std::memcpy(to, &eight, kBits);
    }
  }
}

template <CodeKind kKind, class E>
void quantize(const QuantizeBlock& block) {
  const E* w = static_cast<const E*>(block.w);
  Groups groups = {};
  find_extremes<kKind>(w, block, groups);
  if constexpr (cpu::is_affine(kKind)) {
    find_affine_scales<cpu::bits_of(kKind), E>(block, groups);
  } else {
    find_float_scales<kKind>(block, groups);
  }
  write_codes<kKind>(w, block, groups);
}

}  // namespace

void add_quantizers(cpu::QuantizedKernels& kernels) {
  for_each_code_kind([&](auto kind) {
    auto& by_dtype = kernels.quantize[static_cast<int>(kind.value)];
    by_dtype[static_cast<int>(float32.val())] = quantize<kind.value, float>;
    by_dtype[static_cast<int>(float16.val())] = quantize<kind.value, float16_t>;
    by_dtype[static_cast<int>(bfloat16.val())] = quantize<kind.value, bfloat16_t>;
  });
}

}  // namespace tarn::HWY_NAMESPACE
