// From an operation of ops/kernel_ops.h to its kernel.
#pragma once

#include <span>

#include "tarn/base/view.h"
#include "tarn/ops/op.h"

namespace tarn::cpu {

// Throws what the kernel throws.
void launch_kernel(const OpClass& op_class, const void* op, std::span<const View> inputs,
                   std::span<const View> outputs);

}  // namespace tarn::cpu
