// From an operation of ops/kernel_ops.h to its kernel.
#pragma once

#include <span>

#include "tarn/base/shape.h"
#include "tarn/base/view.h"
#include "tarn/ops/op.h"
#include "tarn/ops/tile_program.h"

namespace tarn::cpu {

// Throws what the kernel throws.
void launch_kernel(const OpClass& op_class, const void* op, std::span<const View> inputs,
                   std::span<const View> outputs);

// Returns whether it ran: see Backend::launch_fused.
bool launch_fused_kernel(const OpClass& op_class, const void* op, const TileProgram& program,
                         const Shape& shape, std::span<const StridedOperand> inputs,
                         const Strides& strides, const View& output);

}  // namespace tarn::cpu
