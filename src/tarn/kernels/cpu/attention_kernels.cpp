#include "tarn/kernels/cpu/attention_kernels.h"

#include <algorithm>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"

TARN_DECLARE_ISA_FUNCTION(add_attention, AttentionKernels)

namespace tarn::cpu {

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
  static const AttentionKernels chosen = [] {
    AttentionKernels table{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_attention, table);
    return table;
  }();
  return chosen;
}

}  // namespace tarn::cpu
