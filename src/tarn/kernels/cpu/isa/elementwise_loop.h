// The loops of elementwise operations. For files compiled once per instruction set.
#pragma once

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/math/pack_pair.h"

namespace tarn::HWY_NAMESPACE {

using cpu::KernelTable;
using cpu::TileKernel;

// The first n of at most kPacks packs' bytes.
template <size_t kPacks>
TARN_FN void copy_some(unsigned char* to, const unsigned char* from, size_t n) {
  unrolled<kPacks>([&](auto k) {
    constexpr size_t kBegin = k * HWY_MAX_BYTES;
    if (n > kBegin) {
      copy_small<HWY_MAX_BYTES>(to + kBegin, from + kBegin, HWY_MIN(n - kBegin, HWY_MAX_BYTES));
    }
  });
}

// Runs a loop on the n elements, fewer than a step of it, that it cannot load without reading past
// its operands: on padded copies. So the formula is inlined once for each loop. Template arguments:
// packs of a step; bytes of an element, 0 for no operand.
template <size_t kPacks, size_t kOut, size_t kA, size_t kB, size_t kC>
HWY_NOINLINE void run_tail(TileKernel::Loop* loop, size_t step, void* out, const void* a,
                           const void* b, const void* c, size_t n) {
  alignas(HWY_MAX_BYTES) unsigned char padded[4][kPacks * HWY_MAX_BYTES] = {};
  const auto fill = [&](unsigned char* to, const void* from, size_t element_size) {
    copy_some<kPacks>(to, static_cast<const unsigned char*>(from), n * element_size);
  };
  if constexpr (kA != 0) fill(padded[0], a, kA);
  if constexpr (kB != 0) fill(padded[1], b, kB);
  if constexpr (kC != 0) fill(padded[2], c, kC);
  loop(padded[3], padded[0], padded[1], padded[2], step, false);
  copy_some<kPacks>(static_cast<unsigned char*>(out), padded[3], n * kOut);
}

// What a formula's result is stored as, the operands being of type E.
template <class Result, class E>
struct StoredAs {
  using Type = E;
};
template <class Lane, class E>
struct StoredAs<Mask<Lane>, E> {
  using Type = bool;
};
template <>
struct StoredAs<Pack<int32_t>, float> {
  using Type = Code;
};
template <>
struct StoredAs<Pack<float>, Code> {
  using Type = float;
};

template <class Op, class E>
using UnaryResult = typename StoredAs<decltype(Op::apply(load(std::declval<E*>()))), E>::Type;
template <class Op, class E>
using BinaryResult =
    typename StoredAs<decltype(Op::apply(load(std::declval<E*>()), load(std::declval<E*>()))),
                      E>::Type;

// Whether a pack of E is stored as whole vectors, which may bypass the caches.
template <class E>
inline constexpr bool kCanStream = std::is_same_v<E, ComputeOf<E>> && !std::is_same_v<E, bool>;

template <class E, class P>
TARN_FN void store(E* p, P x, bool stream) {
  if constexpr (kCanStream<E>) {
    if (stream) return hn::Stream(x.v, hn::ScalableTag<E>(), p);
  }
  store(p, x);
}

// Whether a formula takes so long that the loop around it does not count.
template <class Op>
inline constexpr bool kIsLong = false;
#define TARN_LONG(name, Type) \
  template <>                 \
  inline constexpr bool kIsLong<ops::Type> = true;
TARN_ELEMENTARY_OPS(TARN_LONG)
TARN_LONG(arctan2, ArcTan2)
TARN_LONG(logaddexp, LogAddExp)
TARN_LONG(power, Power)
#undef TARN_LONG

// The packs that a formula is applied to at once.
template <class Op, class E>
inline constexpr size_t kPacksPerStep = kIsLong<Op>&& kIsFloatLane<ComputeOf<E>> ? 2 : 1;

template <size_t kPacks, class E>
TARN_FN auto load_step(const E* p) {
  if constexpr (kPacks == 2) {
    return Pair(load(p), load(p + kElementsPerPack<E>));
  } else {
    return load(p);
  }
}

template <class E, class P>
TARN_FN void store(E* p, Pair<P> x, bool stream) {
  store(p, x.first, stream);
  store(p + kElementsPerPack<E>, x.second, stream);
}

// Stores f(i) at y + i for each whole step of the n elements, from number i on; returns where they
// end. Steps of short formulas come two at a time, else the loop would take longer than they; not
// in streams, which wait for memory.
template <bool kLong, size_t kStep, class R, class F>
TARN_FN size_t store_steps(R* y, size_t n, bool stream, F f) {
  constexpr size_t kAtOnce = 2;
  size_t i = 0;
  if constexpr (!kLong) {
    if (!stream) {
      for (; i + kAtOnce * kStep <= n; i += kAtOnce * kStep) {
        unrolled<kAtOnce>([&](auto k) { store(y + i + k * kStep, f(i + k * kStep)); });
      }
    }
  }
  for (; i + kStep <= n; i += kStep) store(y + i, f(i), stream);
  return i;
}

template <class Op, class E>
void unary_loop(void* out, const void* a, const void* b, const void* c, size_t n, bool stream) {
  constexpr size_t kPacks = kPacksPerStep<Op, E>, kStep = kPacks * kElementsPerPack<E>;
  const E* x = static_cast<const E*>(a);
  using R = UnaryResult<Op, E>;
  R* y = static_cast<R*>(out);
  const size_t i = store_steps<kIsLong<Op>, kStep>(
      y, n, stream, [&](size_t i) { return Op::apply(load_step<kPacks>(x + i)); });
  if (i != n) {
    run_tail<kPacks, sizeof(R), sizeof(E), 0, 0>(unary_loop<Op, E>, kStep, y + i, x + i, b, c,
                                                 n - i);
  }
}

template <class Op, class E>
void binary_loop(void* out, const void* a, const void* b, const void* c, size_t n, bool stream) {
  constexpr size_t kPacks = kPacksPerStep<Op, E>, kStep = kPacks * kElementsPerPack<E>;
  const E* x1 = static_cast<const E*>(a);
  const E* x2 = static_cast<const E*>(b);
  using R = BinaryResult<Op, E>;
  R* y = static_cast<R*>(out);
  const size_t i = store_steps<kIsLong<Op>, kStep>(y, n, stream, [&](size_t i) {
    return Op::apply(load_step<kPacks>(x1 + i), load_step<kPacks>(x2 + i));
  });
  if (i != n) {
    run_tail<kPacks, sizeof(R), sizeof(E), sizeof(E), 0>(binary_loop<Op, E>, kStep, y + i, x1 + i,
                                                         x2 + i, c, n - i);
  }
}

// The first operand is a condition.
template <class Op, class E>
void ternary_loop(void* out, const void* a, const void* b, const void* c, size_t n, bool stream) {
  constexpr size_t kStep = kElementsPerPack<E>;
  const bool* condition = static_cast<const bool*>(a);
  const E* x1 = static_cast<const E*>(b);
  const E* x2 = static_cast<const E*>(c);
  E* y = static_cast<E*>(out);
  const size_t i = store_steps<false, kStep>(y, n, stream, [&](size_t i) {
    return Op::apply(load_mask<ComputeOf<E>>(condition + i), load(x1 + i), load(x2 + i));
  });
  if (i != n) {
    run_tail<1, sizeof(E), 1, sizeof(E), sizeof(E)>(ternary_loop<Op, E>, kStep, y + i,
                                                    condition + i, x1 + i, x2 + i, n - i);
  }
}

// The formula that gives Op on elements E. That of bool works on the bytes 0 and 1.
template <class Op, class E>
struct FormulaOn {
  using Type = Op;
};
template <class Op>
requires requires { typename Op::OnBool; }
struct FormulaOn<Op, bool> {
  using Type = typename Op::OnBool;
};
template <class E>
using OrByte = std::conditional_t<std::is_same_v<E, bool>, uint8_t, E>;

template <class Op, class E>
constexpr TileKernel unary_kernel() {
  return {unary_loop<Op, E>, kCanStream<UnaryResult<Op, E>>};
}
template <class Op, class E>
constexpr TileKernel binary_kernel() {
  return {binary_loop<Op, E>, kCanStream<BinaryResult<Op, E>>};
}
template <class Op, class E>
constexpr TileKernel ternary_kernel() {
  return {ternary_loop<Op, E>, kCanStream<E>};
}

template <class Op>
TARN_FN TileKernel& entry(KernelTable& table, Dtype::Val dtype) {
  return table.elementwise[int(kElementwiseOp<Op>)][int(dtype)];
}

template <class Op, class E>
inline constexpr bool kIsDefinedOn = computes_in(Op::dtypes, dtype_of<E>);

// Enters Op's loops for each of the element types E, where it is defined.
template <class Op, class... E>
void add_unary(KernelTable& table) {
  const auto add = [&]<class T>(type_tag<T>) {
    if constexpr (!kIsDefinedOn<Op, T>) {
    } else if constexpr (Op::dtypes.compute == DtypeRule::Compute::byte) {
      entry<Op>(table, dtype_of<T>) = unary_kernel<Op, Code>();
    } else {
      entry<Op>(table, dtype_of<T>) = unary_kernel<typename FormulaOn<Op, T>::Type, OrByte<T>>();
    }
  };
  (add(type_tag<E>{}), ...);
}
template <class Op, class... E>
void add_binary(KernelTable& table) {
  const auto add = [&]<class T>(type_tag<T>) {
    if constexpr (kIsDefinedOn<Op, T>) {
      entry<Op>(table, dtype_of<T>) = binary_kernel<typename FormulaOn<Op, T>::Type, OrByte<T>>();
    }
  };
  (add(type_tag<E>{}), ...);
}
// A choice does not look at what it chooses, so types of a size share a loop.
template <class Op>
void add_ternary(KernelTable& table) {
#define TARN_DTYPE(name, text, type, kind, category, bytes) \
  entry<Op>(table, Dtype::Val::name) = ternary_kernel<Op, hwy::UnsignedFromSize<bytes>>();
#include "tarn/base/dtype.def"
}

}  // namespace tarn::HWY_NAMESPACE
