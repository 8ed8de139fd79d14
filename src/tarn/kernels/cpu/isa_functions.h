// How a family of kernels finds the functions that each build of kernels/cpu/isa defines for it.
#pragma once

#include <string_view>

// Declares void function(tarn::cpu::Kernels&) of all builds, each in Highway's name for its target.
#define TARN_DECLARE_ISA_FUNCTION(function, Kernels) \
  namespace tarn::N_AVX2 {                           \
  void function(tarn::cpu::Kernels& kernels);        \
  }                                                  \
  namespace tarn::N_AVX3 {                           \
  void function(tarn::cpu::Kernels& kernels);        \
  }

// Calls that of the build for `isa`, which is named as in TARN_ISA.
#define TARN_CALL_ISA_FUNCTION(isa, function, kernels) \
  (std::string_view(isa) == "avx512" ? tarn::N_AVX3::function : tarn::N_AVX2::function)(kernels)
