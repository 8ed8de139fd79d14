// Elementwise loops on complex64: one element at a time, the same for every instruction set.
#pragma once

#include "tarn/kernels/cpu/kernel_table.h"

namespace tarn::cpu {

void add_complex_kernels(KernelTable& table);

}  // namespace tarn::cpu
