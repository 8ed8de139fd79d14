// Attention row by row: for few rows, of which the time is that of reading keys and values.
#pragma once

#include "tarn/kernels/cpu/attention_kernels.h"

namespace tarn::cpu {

// As AttentionKernels::attend, for tasks of any number of rows.
void attend_rows(Dtype dtype, const AttentionTask& task, const AttentionRows& to, void* scratch);

// Bytes of scratch, aligned to 64, that a task of n_rows needs.
int64_t attention_rows_bytes(Dtype dtype, int64_t n_rows, int64_t key_dim, int64_t value_dim);

}  // namespace tarn::cpu
