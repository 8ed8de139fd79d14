#include "tarn/kernels/cpu/matmul_kernels.h"

#include <algorithm>
#include <vector>

#include "tarn/base/ceil_div.h"
#include "tarn/kernels/cpu/bfloat16_pairs.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"

TARN_DECLARE_ISA_FUNCTION(add_matmul_tiles, MatmulKernels)
TARN_DECLARE_ISA_FUNCTION(add_matmul_tiles_of_pairs, MatmulKernels)
TARN_DECLARE_ISA_FUNCTION(add_matvecs, MatmulKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kWidestVector = 16;  // lanes, that rows are padded to

MatmulKernels make_kernels(const char* isa, bool in_pairs) {
  MatmulKernels kernels{};
  TARN_CALL_ISA_FUNCTION(isa, add_matmul_tiles, kernels);
  if (in_pairs) TARN_CALL_ISA_FUNCTION(isa, add_matmul_tiles_of_pairs, kernels);
  TARN_CALL_ISA_FUNCTION(isa, add_matvecs, kernels);
  return kernels;
}

}  // namespace

int64_t packed_b_bytes(Dtype dtype, int64_t n, int64_t k) {
  return ceil_div((n + kWidestVector) * k * std::max<int64_t>(4, dtype.size()), 64) * 64;
}

int64_t matmul_scratch_bytes(Dtype dtype, int64_t m, int64_t n, int64_t k) {
  const int64_t width = n + kWidestVector;
  const int64_t packed = (width + std::min(m, kMatmulRowBlock)) * std::min(k, kMatmulDepth);
  const bool sums_in_place = dtype == float32 || dtype == float64;
  return (packed + (sums_in_place ? 0 : m * width)) * std::max<int64_t>(4, dtype.size());
}

const MatmulKernels& matmul_kernels() {
  static const MatmulKernels chosen =
      make_kernels(kernels().isa, bfloat16_pairs_are_fast(kernels().isa));
  return chosen;
}

std::span<const MatmulKernels> runnable_matmul_kernels() {
  static const std::vector<MatmulKernels> runnable = make_runnable(make_kernels);
  return runnable;
}

}  // namespace tarn::cpu
