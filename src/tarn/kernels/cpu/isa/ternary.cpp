// Ternary elementwise operations on all types; products with sums, for programs that have both.
#include "tarn/kernels/cpu/isa/elementwise_loop.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

template <class E>
void multiply_add_loop(void* out, const void* a, const void* b, const void* c, size_t n,
                       bool stream) {
  constexpr size_t kStep = kElementsPerPack<E>;
  const E* x1 = static_cast<const E*>(a);
  const E* x2 = static_cast<const E*>(b);
  const E* x3 = static_cast<const E*>(c);
  E* y = static_cast<E*>(out);
  const size_t i = store_steps<false, kStep>(
      y, n, stream, [&](size_t i) { return load(x1 + i) * load(x2 + i) + load(x3 + i); });
  if (i != n) {
    run_tail<1, sizeof(E), sizeof(E), sizeof(E), sizeof(E)>(multiply_add_loop<E>, kStep, y + i,
                                                            x1 + i, x2 + i, x3 + i, n - i);
  }
}

}  // namespace

void add_ternary_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_ternary<ops::Type>(table);
  TARN_TERNARY_OPS(TARN_ADD)
#undef TARN_ADD
  table.multiply_add[int(Dtype::Val::float32)] = {multiply_add_loop<float>, true};
  table.multiply_add[int(Dtype::Val::float64)] = {multiply_add_loop<double>, true};
}

}  // namespace tarn::HWY_NAMESPACE
