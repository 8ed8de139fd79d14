// Attention.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// softmax(scale q kᵀ + mask) v for each query head. Inputs: q of shape (batch, heads, queries, key
// dim), k and v with as many heads or a fraction of them; if has_mask, a mask of bool, true where a
// key is seen, or of the dtype of q, added to the scores, of shape (batch, heads, queries, keys);
// if has_sinks, a score per query head of a key whose value is zero. All of one floating dtype.
struct Attention {
  static constexpr OpInfo info{"scaled_dot_product_attention",
                               "q, k, v, scale, mask=None, sinks=None",
                               "Values averaged by the softmax of products of queries and keys."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  float scale;
  bool is_causal;  // query i of m sees the keys up to i + n - m of n
  bool has_mask;
  bool has_sinks;
};

}  // namespace tarn::ops
