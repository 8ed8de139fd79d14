#include "tarn/kernels/cpu/complex_elementwise.h"

#include <cstring>

#include "tarn/base/complex.h"

namespace tarn::cpu {

namespace {

template <class Op>
void unary_loop(void* out, const void* a, const void*, const void*, size_t n, bool) {
  const auto* x = static_cast<const complex64_t*>(a);
  auto* y = static_cast<decltype(Op::apply(*x))*>(out);
  for (size_t i = 0; i < n; ++i) y[i] = Op::apply(x[i]);
}

template <class Op>
void binary_loop(void* out, const void* a, const void* b, const void*, size_t n, bool) {
  const auto* x1 = static_cast<const complex64_t*>(a);
  const auto* x2 = static_cast<const complex64_t*>(b);
  auto* y = static_cast<decltype(Op::apply(*x1, *x2))*>(out);
  for (size_t i = 0; i < n; ++i) y[i] = Op::apply(x1[i], x2[i]);
}

template <class Op>
inline constexpr bool kIsDefined = computes_in(Op::dtypes, complex64);

template <class Op>
TileKernel& entry(KernelTable& table) {
  return table.elementwise[int(kElementwiseOp<Op>)][int(Dtype::Val::complex64)];
}

template <class Op>
void add_unary(KernelTable& table) {
  if constexpr (kIsDefined<Op>) entry<Op>(table) = {unary_loop<Op>};
}

template <class Op>
void add_binary(KernelTable& table) {
  if constexpr (kIsDefined<Op>) entry<Op>(table) = {binary_loop<Op>};
}

// The accumulator is complex64: a product or an extreme loses nothing by that. Sums are made of
// float ones.
template <class Op>
void reduce_run(void* accumulator, const void* elements, size_t n) {
  auto& total = *static_cast<complex64_t*>(accumulator);
  const auto* x = static_cast<const complex64_t*>(elements);
  for (size_t i = 0; i < n; ++i) total = Op::apply(total, x[i]);
}

template <class Op>
void find_best(ArgBest& best, const void* elements, size_t n, uint32_t first) {
  const auto* x = static_cast<const complex64_t*>(elements);
  complex64_t value;
  std::memcpy(&value, best.value, sizeof(value));
  for (size_t i = 0; i < n; ++i) {
    if (Op::apply(x[i], value)) {
      value = x[i];
      best.index = first + uint32_t(i);
    }
  }
  std::memcpy(best.value, &value, sizeof(value));
}

}  // namespace

void add_complex_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_unary<ops::Type>(table);
  TARN_UNARY_OPS(TARN_ADD)
#undef TARN_ADD
#define TARN_ADD(name, Type) add_binary<ops::Type>(table);
  TARN_BINARY_OPS(TARN_ADD)
#undef TARN_ADD
  const int dtype = int(Dtype::Val::complex64);
  table.prod[dtype] = reduce_run<ops::Multiply>;
  table.max[dtype] = reduce_run<ops::Maximum>;
  table.min[dtype] = reduce_run<ops::Minimum>;
  table.arg_max[dtype] = find_best<ops::Greater>;
  table.arg_min[dtype] = find_best<ops::Less>;
}

}  // namespace tarn::cpu
