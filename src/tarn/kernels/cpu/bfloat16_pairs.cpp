#include "tarn/kernels/cpu/bfloat16_pairs.h"

namespace tarn::cpu {

bool has_bfloat16_pairs(std::string_view isa) {
  return isa == "avx512" && __builtin_cpu_supports("avx512bf16");
}

bool bfloat16_pairs_are_fast(std::string_view isa) {
  return has_bfloat16_pairs(isa) && __builtin_cpu_is("amd");
}

}  // namespace tarn::cpu
