#include "tarn/kernels/cpu/matmul_kernels.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "tarn/kernels/cpu/kernel_table.h"

// What each build of kernels/cpu/isa defines.
#define TARN_DECLARE_ISA(target)                            \
  namespace tarn::target {                                  \
  void add_matmul_tiles(tarn::cpu::MatmulKernels& kernels); \
  void add_matvecs(tarn::cpu::MatmulKernels& kernels);      \
  }
TARN_DECLARE_ISA(N_AVX2)
TARN_DECLARE_ISA(N_AVX3)
#undef TARN_DECLARE_ISA

namespace tarn::cpu {

namespace {

MatmulKernels make_kernels(std::string_view isa) {
  MatmulKernels kernels{};
  if (isa == "avx512") {
    N_AVX3::add_matmul_tiles(kernels);
    N_AVX3::add_matvecs(kernels);
  } else {
    N_AVX2::add_matmul_tiles(kernels);
    N_AVX2::add_matvecs(kernels);
  }
  return kernels;
}

}  // namespace

int64_t matmul_scratch_bytes(Dtype dtype, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kWidestVector = 16;  // lanes, that rows are padded to
  const int64_t depth = std::min(k, kMatmulDepth);
  const int64_t numbers = m * depth + (n + kWidestVector) * (m + depth);
  return numbers * std::max<int64_t>(4, dtype.size());
}

const MatmulKernels& matmul_kernels() {
  static const MatmulKernels chosen = make_kernels(kernels().isa);
  return chosen;
}

std::span<const MatmulKernels> runnable_matmul_kernels() {
  static const std::vector<MatmulKernels> runnable = [] {
    std::vector<MatmulKernels> tables;
    for (const KernelTable* table : runnable_kernels()) tables.push_back(make_kernels(table->isa));
    return tables;
  }();
  return runnable;
}

}  // namespace tarn::cpu
