// How elements of each type lie in memory, and the packs that compute with them. For files compiled
// once per instruction set.
#pragma once

#include <cstring>
#include <utility>

#include "tarn/base/half.h"
#include "tarn/math/pack.h"

// As TARN_FN, of a lambda: `[&](auto i) TARN_LAMBDA { … }`.
#define TARN_LAMBDA __attribute__((always_inline))

namespace tarn::HWY_NAMESPACE {

// A byte that stands for a number, of an 8-bit float say: formulas see it as a 32-bit integer.
struct Code {
  uint8_t byte;
};

// 16-bit floats are computed with as float and rounded when stored: after each instruction, so that
// a fused program gives the same bits as its instructions one by one.
template <class E>
using ComputeOf =
    std::conditional_t<HalfType<E>, float, std::conditional_t<std::is_same_v<E, Code>, int32_t, E>>;

template <class E>
inline constexpr size_t kElementsPerPack = Pack<ComputeOf<E>>::kLanes;

// As many elements as `d` has lanes, converted to what is computed in.
template <class D, class E>
TARN_FN hn::Vec<D> load_lanes(D d, const E* p) {
  if constexpr (std::is_same_v<E, float16_t>) {
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
  } else if constexpr (std::is_same_v<E, bfloat16_t>) {
    const hn::RebindToUnsigned<decltype(d)> d32;
    const hn::Rebind<uint16_t, decltype(d)> d16;
    const auto widened = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p)));
    return hn::BitCast(d, hn::ShiftLeft<16>(widened));
  } else if constexpr (std::is_same_v<E, Code>) {
    const hn::Rebind<uint8_t, decltype(d)> d8;
    return hn::PromoteTo(d, hn::LoadU(d8, reinterpret_cast<const uint8_t*>(p)));
  } else {
    return hn::LoadU(d, p);
  }
}

template <class E>
TARN_FN Pack<ComputeOf<E>> load(const E* p) {
  return load_lanes(hn::ScalableTag<ComputeOf<E>>(), p);
}

// To nearest, ties to even, NaN made quiet: as bfloat16_t(float) does it. The instruction for this,
// which some processors have, would flush subnormals.
TARN_FN hn::Vec<hn::Rebind<uint16_t, hn::ScalableTag<float>>> bits_of_bfloat16(Pack<float> x) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const hn::RebindToUnsigned<decltype(d)> d32;
  const auto bits = hn::BitCast(d32, x.v);
  const auto top = hn::ShiftRight<16>(bits);
  const auto is_odd = hn::And(top, hn::Set(d32, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, is_odd), hn::Set(d32, 0x7fff)));
  const auto is_nan = (x != x).m;
  if (HWY_LIKELY(hn::AllFalse(d, is_nan))) return hn::TruncateTo(d16, rounded);
  const auto quiet = hn::Or(top, hn::Set(d32, 0x40));
  return hn::TruncateTo(d16, hn::IfThenElse(hn::RebindMask(d32, is_nan), quiet, rounded));
}

template <class E>
TARN_FN void store(E* p, Pack<ComputeOf<E>> x) {
  const hn::ScalableTag<ComputeOf<E>> d;
  if constexpr (std::is_same_v<E, float16_t>) {
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    hn::StoreU(hn::DemoteTo(d16, x.v), d16, reinterpret_cast<hwy::float16_t*>(p));
  } else if constexpr (std::is_same_v<E, bfloat16_t>) {
    const hn::Rebind<uint16_t, decltype(d)> d16;
    hn::StoreU(bits_of_bfloat16(x), d16, reinterpret_cast<uint16_t*>(p));
  } else if constexpr (std::is_same_v<E, Code>) {
    const hn::RebindToUnsigned<decltype(d)> d32;
    const hn::Rebind<uint8_t, decltype(d)> d8;
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(d32, x.v)), d8, reinterpret_cast<uint8_t*>(p));
  } else {
    hn::StoreU(x.v, d, p);
  }
}

// Masks are kept as the bytes 0 and 1.
template <class E>
TARN_FN void store(bool* p, Mask<E> mask) {
  using U = hwy::UnsignedFromSize<sizeof(E)>;
  const hn::ScalableTag<U> d;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const auto ones = hn::IfThenElseZero(hn::RebindMask(d, mask.m), hn::Set(d, U(1)));
  if constexpr (sizeof(E) == 1) {
    hn::StoreU(ones, d8, reinterpret_cast<uint8_t*>(p));
  } else {
    hn::StoreU(hn::TruncateTo(d8, ones), d8, reinterpret_cast<uint8_t*>(p));
  }
}

// A mask for packs of E from as many bytes; any byte but 0 is true.
template <class E>
TARN_FN Mask<E> load_mask(const bool* p) {
  using U = hwy::UnsignedFromSize<sizeof(E)>;
  const hn::ScalableTag<E> d;
  const hn::ScalableTag<U> du;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const auto bytes = hn::LoadU(d8, reinterpret_cast<const uint8_t*>(p));
  if constexpr (sizeof(E) == 1) {
    return hn::RebindMask(d, hn::Ne(bytes, hn::Zero(d8)));
  } else if constexpr (sizeof(E) == 8) {
    const hn::Rebind<uint32_t, decltype(d)> d32;
    return hn::RebindMask(d, hn::Ne(hn::PromoteTo(du, hn::PromoteTo(d32, bytes)), hn::Zero(du)));
  } else {
    return hn::RebindMask(d, hn::Ne(hn::PromoteTo(du, bytes), hn::Zero(du)));
  }
}

// Calls f(0), f(1), … f(kN - 1) with constants: packs in an array stay in registers only if no loop
// is left around them, which optimisers do not promise.
template <size_t kN, class F>
TARN_FN void unrolled(F f) {
  [&]<size_t... kI>(std::index_sequence<kI...>) TARN_LAMBDA {
    (f(std::integral_constant<size_t, kI>{}), ...);
  }
  (std::make_index_sequence<kN>{});
}

// At most one pack's bytes. A call of memcpy would cost more than all the rest of a short tail.
template <size_t kChunk = HWY_MAX_BYTES / 2>
TARN_FN void copy_small(unsigned char* to, const unsigned char* from, size_t n) {
  if constexpr (HWY_TARGET <= HWY_AVX3) {
    const hn::ScalableTag<uint8_t> d;
    const auto mask = hn::FirstN(d, n);
    hn::BlendedStore(hn::MaskedLoad(mask, d, from), mask, d, to);
  } else {
    if (n & kChunk) {
      std::memcpy(to, from, kChunk);
      to += kChunk;
      from += kChunk;
    }
    if constexpr (kChunk > 1) copy_small<kChunk / 2>(to, from, n);
  }
}

}  // namespace tarn::HWY_NAMESPACE
