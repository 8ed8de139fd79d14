// Attention in one operation.
#pragma once

#include <optional>
#include <string>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn::fast {

// softmax(scale q kᵀ) v, without a matrix of all scores: memory of the size of the inputs. Queries
// are (batch, heads, m, key dim), keys (batch, KV heads, n, key dim), values (batch, KV heads, n,
// value dim), where each KV head is shared by as many consecutive query heads; the result is
// (batch, heads, m, value dim). Floating dtypes, which promote; sums of 16-bit floats are kept in
// float32.
//
// `mask_mode` is "" (with an array, as "array"), "causal" (query i sees the keys up to i + n - m),
// or "array": `mask_arr` broadcasts to (batch, heads, m, n) and is bool, true where a key is seen,
// or added to the scores. `sinks`, one per query head, are scores of a further key whose value is
// zero. Of a query that sees no key, the result is NaN, as softmax has it, or with a finite sink 0;
// without any keys (n = 0) it is 0. Values of masked keys must be finite: they are multiplied by 0.
//
// `force_fused` asks for a kernel that would require a GPU: std::invalid_argument.
array scaled_dot_product_attention(const array& queries, const array& keys, const array& values,
                                   const float scale, const std::string& mask_mode = "",
                                   std::optional<array> mask_arr = {},
                                   const std::optional<array>& sinks = {}, bool force_fused = false,
                                   StreamOrDevice s = {});

}  // namespace tarn::fast
