// The one spelling for "inline everywhere, on the host and on a CUDA device".
//
// Always inline, because kernel files are compiled once per instruction set: an out-of-line copy
// made with AVX-512 flags could be the one that the linker keeps for everybody.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define TARN_FN __host__ __device__ __forceinline__
#else
#define TARN_FN inline __attribute__((always_inline))
#endif
