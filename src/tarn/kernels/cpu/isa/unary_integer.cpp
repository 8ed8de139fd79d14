// Unary elementwise operations on bool and integers.
#include "tarn/kernels/cpu/isa/elementwise_loop.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

void add_unary_integer_kernels(KernelTable& table) {
#define TARN_ADD(name, Type)                                                                  \
  add_unary<ops::Type, bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, \
            int64_t>(table);
  TARN_UNARY_OPS(TARN_ADD)
#undef TARN_ADD
}

}  // namespace tarn::HWY_NAMESPACE
