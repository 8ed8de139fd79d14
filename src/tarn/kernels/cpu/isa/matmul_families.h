// The parts of one instruction set's kernels for matrix products; each is a file.
#pragma once

#include <hwy/highway.h>

#include "tarn/kernels/cpu/matmul_kernels.h"

namespace tarn::HWY_NAMESPACE {

void add_matmul_tiles(cpu::MatmulKernels& kernels);
// Those that multiply bfloat16 in pairs, where this build has the instruction.
void add_matmul_tiles_of_pairs(cpu::MatmulKernels& kernels);
void add_matvecs(cpu::MatmulKernels& kernels);

}  // namespace tarn::HWY_NAMESPACE
