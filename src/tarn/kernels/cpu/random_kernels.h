// The inner loops of random numbers, one table per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tarn/math/threefry.h"

namespace tarn::cpu {

// From a word w, the float32 number min(max(w / 2^32, least), most) * range + low.
struct UniformNumbers {
  float least;
  float most;
  float range;
  float low;
};

// Encrypts the counters (first + i, first + i + distance) for i < n and writes what the resulting
// words become, that of the first ones to x and of the second ones to y, which need not be aligned.
// Words become numbers, or stay what they are if `numbers` is null.
using DrawWords = void (*)(const math::ThreefryKey& key, uint32_t first, uint32_t distance,
                           const UniformNumbers* numbers, void* x, void* y, size_t n);

struct RandomKernels {
  DrawWords draw_words;
};

// Those of the instruction set `isa`, which is named as in TARN_ISA.
RandomKernels random_kernels(const char* isa);

}  // namespace tarn::cpu
