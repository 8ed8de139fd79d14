// Puts the kernel table of one instruction set together.
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

// What the CPU must have. Wider flags than HWY_AVX3 stands for do not change the namespace, only
// this.
#if defined(__AVX512VBMI2__)
extern const int64_t kRequiredTarget = HWY_AVX3_DL;
#else
extern const int64_t kRequiredTarget = HWY_STATIC_TARGET;
#endif

void fill_kernel_table(cpu::KernelTable& table) {
  add_unary_float_kernels(table);
  add_unary_integer_kernels(table);
  add_binary_float_kernels(table);
  add_binary_integer_kernels(table);
  add_ternary_kernels(table);
  add_cast_kernels(table);
  add_reduce_kernels(table);
  add_softmax_kernels(table);
  add_creation_kernels(table);
  add_stream_kernels(table);
}

}  // namespace tarn::HWY_NAMESPACE
