#include "tarn/kernels/cpu/complex_elementwise.h"

#include "tarn/base/complex.h"

namespace tarn::cpu {

namespace {

template <class Op>
void unary_loop(void* out, const void* a, const void*, const void*, size_t n) {
  const auto* x = static_cast<const complex64_t*>(a);
  auto* y = static_cast<decltype(Op::apply(*x))*>(out);
  for (size_t i = 0; i < n; ++i) y[i] = Op::apply(x[i]);
}

template <class Op>
void binary_loop(void* out, const void* a, const void* b, const void*, size_t n) {
  const auto* x1 = static_cast<const complex64_t*>(a);
  const auto* x2 = static_cast<const complex64_t*>(b);
  auto* y = static_cast<decltype(Op::apply(*x1, *x2))*>(out);
  for (size_t i = 0; i < n; ++i) y[i] = Op::apply(x1[i], x2[i]);
}

template <class Op>
inline constexpr bool kIsDefined = (Op::dtypes.computed_kinds() & kComplexKind) != 0;

template <class Op>
TileKernel& entry(KernelTable& table) {
  return table.elementwise[int(kElementwiseOp<Op>)][int(Dtype::Val::complex64)];
}

template <class Op>
void add_unary(KernelTable& table) {
  if constexpr (kIsDefined<Op>) entry<Op>(table) = unary_loop<Op>;
}

template <class Op>
void add_binary(KernelTable& table) {
  if constexpr (kIsDefined<Op>) entry<Op>(table) = binary_loop<Op>;
}

}  // namespace

void add_complex_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_unary<ops::Type>(table);
  TARN_UNARY_OPS(TARN_ADD)
#undef TARN_ADD
#define TARN_ADD(name, Type) add_binary<ops::Type>(table);
  TARN_BINARY_OPS(TARN_ADD)
#undef TARN_ADD
}

}  // namespace tarn::cpu
