// Binary elementwise operations on floating types.
#include "tarn/kernels/cpu/isa/elementwise_loop.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

void add_binary_float_kernels(KernelTable& table) {
#define TARN_ADD(name, Type) add_binary<ops::Type, float, double, float16_t, bfloat16_t>(table);
  TARN_BINARY_OPS(TARN_ADD)
#undef TARN_ADD
}

}  // namespace tarn::HWY_NAMESPACE
