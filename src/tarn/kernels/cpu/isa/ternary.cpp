// Ternary elementwise operations on all types.
#include "tarn/kernels/cpu/isa/elementwise_loop.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

void add_ternary_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_ternary<ops::Type>(table);
  TARN_TERNARY_OPS(TARN_ADD)
#undef TARN_ADD
}

}  // namespace tarn::HWY_NAMESPACE
