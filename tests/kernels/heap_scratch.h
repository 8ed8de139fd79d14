// Scratch memory for kernels that are called without a backend.
#pragma once

#include <cstdlib>
#include <new>

#include "tarn/kernels/cpu/scratch.h"

namespace tarn {

inline cpu::Scratch heap_scratch(int64_t nbytes) {
  constexpr size_t kAlignment = 64;
  void* const bytes =
      std::aligned_alloc(kAlignment, (size_t(nbytes) / kAlignment + 1) * kAlignment);
  if (bytes == nullptr) throw std::bad_alloc();
  return {bytes, std::free};
}

}  // namespace tarn
