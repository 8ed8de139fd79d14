// The inner loops of attention, one table per instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// Attention of some rows of one KV head to some of its keys. The rows of a KV head are the queries
// of all query heads that share it: query i of the h-th of them is row h * n_queries + i. Strides
// are in elements; elements along the last axes of q, k and v are adjacent.
struct AttentionTask {
  const void* q;
  int64_t q_head, q_row;
  const void* k;
  int64_t k_row;
  const void* v;
  int64_t v_row;
  // Null, of bool if mask_is_bool, or of the dtype of q.
  const void* mask;
  bool mask_is_bool;
  int64_t mask_head, mask_row, mask_key;
  bool is_causal;         // query i sees the keys up to i + causal_offset
  int64_t causal_offset;  // may be negative
  float scale;
  int64_t n_queries;  // of each query head
  int64_t key_dim, value_dim;
  int64_t row_begin, row_end;
  int64_t key_begin, key_end;
};

// What is known of each row of a task when those keys have been seen; of the type that sums are
// kept in.
struct AttentionRows {
  void* max;      // of the scores; -infinity if no key was seen
  void* sum;      // of exp(score - max)
  void* average;  // rows of value_dim: sums of exp(score - max) * value
};

// Rows of a task are taken in panels; at most this many.
inline constexpr int64_t kAttentionPanels = 4;
// Keys are taken in blocks of this many.
inline constexpr int64_t kAttentionKeys = 128;

// By dtype; null where there is none. Sums of 16-bit floats are kept in float, others in their own
// type. The functions allocate nothing and run on the calling thread.
struct AttentionKernels {
  int64_t panel_rows[kDtypeCount];
  // Requires: a task of not more than kAttentionPanels panels.
  void (*attend[kDtypeCount])(const AttentionTask& task, const AttentionRows& to, void* scratch);
};

// Bytes of scratch, aligned to 64, that a task needs.
int64_t attention_panel_bytes(Dtype dtype, int64_t key_dim, int64_t value_dim);

// Those of the instruction set that kernels() has chosen.
const AttentionKernels& attention_kernels();

// Those of all instruction sets that this CPU can run, with and without pairs of bfloat16, widest
// first.
std::span<const AttentionKernels> runnable_attention_kernels();

}  // namespace tarn::cpu
