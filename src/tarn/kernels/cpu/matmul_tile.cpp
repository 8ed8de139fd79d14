#include "tarn/kernels/cpu/matmul_tile.h"

#include <cstddef>
#include <memory>
#include <new>

#include "tarn/kernels/cpu/matmul_onednn.h"

namespace tarn::cpu {

namespace {

// Below this many multiplications a call of oneDNN costs more than it gains.
constexpr int64_t kMinOnednnWork = 64 * 1024;

// Memory of a thread that lives as long as the thread: products come in series.
class Scratch {
 public:
  void* at_least(int64_t nbytes) {
    if (nbytes > size_) {
      size_ = 0;
      memory_.reset(new (std::align_val_t{64}) std::byte[nbytes]);
      size_ = nbytes;
    }
    return memory_.get();
  }

 private:
  struct Delete {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte[], Delete> memory_;
  int64_t size_ = 0;
};

}  // namespace

void multiply_tile(Dtype dtype, const MatmulTile& tile) {
  if (tile.m * tile.n * tile.k >= kMinOnednnWork && onednn_is_faster(dtype) && onednn_takes(tile)) {
    return onednn_multiply_bfloat16(tile);
  }
  thread_local Scratch scratch;
  const auto kernel = matmul_kernels().tile[static_cast<int>(dtype.val())];
  kernel(tile, scratch.at_least(matmul_scratch_bytes(dtype, tile.m, tile.n, tile.k)));
}

}  // namespace tarn::cpu
