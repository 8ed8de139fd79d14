// Unary elementwise operations on floating types.
#include "tarn/kernels/cpu/isa/elementwise_loop.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

void add_unary_float_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_unary<ops::Type, float, double, float16_t, bfloat16_t>(table);
  TARN_UNARY_OPS(TARN_ADD)
#undef TARN_ADD
}

}  // namespace tarn::HWY_NAMESPACE
