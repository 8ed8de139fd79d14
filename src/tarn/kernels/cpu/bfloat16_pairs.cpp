#include "tarn/kernels/cpu/bfloat16_pairs.h"

namespace tarn::cpu {

bool has_bfloat16_pairs() { return __builtin_cpu_supports("avx512bf16"); }

bool bfloat16_pairs_are_fast() { return has_bfloat16_pairs() && __builtin_cpu_is("amd"); }

}  // namespace tarn::cpu
