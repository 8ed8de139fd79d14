// Attention.
#pragma once

#include <span>

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/attention_kernels.h"
#include "tarn/ops/attention.h"

namespace tarn::cpu {

// Inputs as in ops/attention.h, of any strides. The result depends on shapes and layouts only, not
// on the number of threads. Requires: `to` is row-contiguous; `scratch` has
// attention_scratch_bytes() bytes, aligned to 64.
void attention(const ops::Attention& op, std::span<const View> in, const View& to, void* scratch,
               const AttentionKernels& kernels = attention_kernels());
int64_t attention_scratch_bytes(std::span<const View> in, const View& to,
                                const AttentionKernels& kernels = attention_kernels());

}  // namespace tarn::cpu
