// Numbers from codes and scales.
#include "tarn/kernels/cpu/isa/quantized_codes.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::DequantizeBlock;
using cpu::kBlockGroups;

// Where the codes of a pack's lanes are among 16 bytes: the two bytes that hold a code go to its
// lane, and the shift brings it to the low bits.
template <int kBits>
struct LanePlaces {
  alignas(64) uint8_t bytes[kLanes * 4];
  alignas(64) uint32_t shifts[kLanes];

  constexpr LanePlaces() : bytes(), shifts() {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int first = kBits * lane / 8;
      for (int i = 0; i < 4; ++i) bytes[4 * lane + i] = uint8_t(i < 2 ? first + i : 0x80);
      shifts[lane] = uint32_t(kBits * lane % 8);
    }
  }
};

// The codes of a pack's lanes. Reads 16 bytes.
template <int kBits>
TARN_FN hn::Vec<Words> load_codes(const uint8_t* from) {
  const Words d;
  if constexpr (kBits == 8) {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<uint8_t, Words>(), from));
  } else {
    static constexpr LanePlaces<kBits> kPlaces;
    const hn::Repartition<uint8_t, Words> bytes;
    const auto all = hn::LoadDup128(bytes, from);
    const auto lanes = hn::BitCast(d, hn::TableLookupBytesOr0(all, hn::Load(bytes, kPlaces.bytes)));
    return hn::And(hn::Shr(lanes, hn::Load(d, kPlaces.shifts)), hn::Set(d, (1 << kBits) - 1));
  }
}

template <CodeKind kKind, class E>
void dequantize(const DequantizeBlock& block) {
  constexpr int kBits = cpu::bits_of(kKind);
  const Floats d;
  alignas(64) float scales[kBlockGroups], biases[kBlockGroups];
  load_scales(block.scale_kind, block.scales, block.n_groups, scales);
  if constexpr (cpu::is_affine(kKind)) {
    load_scales(block.scale_kind, block.biases, block.n_groups, biases);
  }
  const uint8_t* codes = static_cast<const uint8_t*>(block.codes);
  E* to = static_cast<E*>(block.to);
  for (int64_t group = 0; group < block.n_groups; ++group) {
    const auto scale = hn::Set(d, scales[group] * block.factor);
    for (int64_t i = 0; i < block.group_size; i += kLanes) {
      const auto values = values_of_codes<kKind>(load_codes<kBits>(codes));
      if constexpr (cpu::is_affine(kKind)) {
        store(to, Pack<float>(hn::MulAdd(values, scale, hn::Set(d, biases[group]))));
      } else {
        store(to, Pack<float>(hn::Mul(values, scale)));
      }
      codes += kLanes * kBits / 8;
      to += kLanes;
    }
  }
}

}  // namespace

void add_dequantizers(cpu::QuantizedKernels& kernels) {
  for_each_code_kind([&](auto kind) {
    auto& by_dtype = kernels.dequantize[static_cast<int>(kind.value)];
    by_dtype[static_cast<int>(float32.val())] = dequantize<kind.value, float>;
    by_dtype[static_cast<int>(float16.val())] = dequantize<kind.value, float16_t>;
    by_dtype[static_cast<int>(bfloat16.val())] = dequantize<kind.value, bfloat16_t>;
  });
}

}  // namespace tarn::HWY_NAMESPACE
