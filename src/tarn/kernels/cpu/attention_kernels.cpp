#include "tarn/kernels/cpu/attention_kernels.h"

#include <algorithm>
#include <vector>

#include "tarn/kernels/cpu/bfloat16_pairs.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"

TARN_DECLARE_ISA_FUNCTION(add_attention, AttentionKernels)
TARN_DECLARE_ISA_FUNCTION(add_attention_of_pairs, AttentionKernels)

namespace tarn::cpu {

namespace {

AttentionKernels make_kernels(const char* isa, bool in_pairs) {
  AttentionKernels kernels{};
  TARN_CALL_ISA_FUNCTION(isa, add_attention, kernels);
  if (in_pairs) TARN_CALL_ISA_FUNCTION(isa, add_attention_of_pairs, kernels);
  return kernels;
}

}  // namespace

int64_t attention_panel_bytes(Dtype dtype, int64_t key_dim, int64_t value_dim) {
  constexpr int64_t kWidestPanel = 48;
  constexpr int64_t kPieces = 16 + 4 * kAttentionPanels;  // each padded to 16 elements
  const int64_t row = std::max({key_dim + 1, value_dim, kAttentionKeys});
  const int64_t numbers = kWidestPanel * (kAttentionPanels * (key_dim + 1 + value_dim + 2) +
                                          2 * kAttentionKeys + row + 2) +
                          kAttentionKeys * (key_dim + value_dim) + 16 * kPieces;
  return numbers * std::max<int64_t>(4, dtype.size());
}

const AttentionKernels& attention_kernels() {
  static const AttentionKernels chosen =
      make_kernels(kernels().isa, bfloat16_pairs_are_fast(kernels().isa));
  return chosen;
}

std::span<const AttentionKernels> runnable_attention_kernels() {
  static const std::vector<AttentionKernels> runnable = make_runnable(make_kernels);
  return runnable;
}

}  // namespace tarn::cpu
