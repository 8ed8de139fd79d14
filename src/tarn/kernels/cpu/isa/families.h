// The parts of one instruction set's kernel table; each is a file, to be compiled in parallel.
#pragma once

#include <hwy/highway.h>

#include "tarn/kernels/cpu/kernel_table.h"

namespace tarn::HWY_NAMESPACE {

void add_unary_float_kernels(cpu::KernelTable& table);
void add_unary_integer_kernels(cpu::KernelTable& table);
void add_binary_float_kernels(cpu::KernelTable& table);
void add_binary_integer_kernels(cpu::KernelTable& table);
void add_ternary_kernels(cpu::KernelTable& table);
void add_cast_kernels(cpu::KernelTable& table);
void add_reduce_kernels(cpu::KernelTable& table);
void add_softmax_kernels(cpu::KernelTable& table);
void add_creation_kernels(cpu::KernelTable& table);
void add_stream_kernels(cpu::KernelTable& table);

}  // namespace tarn::HWY_NAMESPACE
