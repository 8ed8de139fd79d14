#include "tarn/kernels/cpu/matmul_tile.h"

#include "tarn/kernels/cpu/matmul_onednn.h"
#include "tarn/kernels/cpu/thread_scratch.h"

namespace tarn::cpu {

namespace {

// Below this many multiplications a call of oneDNN costs more than it gains.
constexpr int64_t kMinOnednnWork = 64 * 1024;

}  // namespace

void multiply_tile(Dtype dtype, const MatmulTile& tile) {
  if (tile.m * tile.n * tile.k >= kMinOnednnWork && onednn_is_faster(dtype) && onednn_takes(tile)) {
    return onednn_multiply_bfloat16(tile);
  }
  thread_local ThreadScratch scratch;
  const auto kernel = matmul_kernels().tile[static_cast<int>(dtype.val())];
  kernel(tile, scratch.at_least(matmul_scratch_bytes(dtype, tile.m, tile.n, tile.k)));
}

}  // namespace tarn::cpu
