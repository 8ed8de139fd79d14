// Numbers to codes of a few bits with a scale for each group of them, and back.
//
// Codes follow each other as a stream of bits, the lowest of a byte first.
#pragma once

#include <cstddef>

#include "tarn/base/view.h"
#include "tarn/ops/quantized.h"

namespace tarn::cpu {

// `w` is float32, float16 or bfloat16. global_scale, a float32 of mode Nvfp4, and biases, of mode
// Affine, may be null. Requires: all views are row-contiguous.
void quantize(const ops::Quantization& format, const View& w, const View* global_scale,
              const View& codes, const View& scales, const View* biases);

// The reverse. `to` is float32, float16 or bfloat16; scales and biases of mode Affine are, too.
void dequantize(const ops::Quantization& format, const View& codes, const View& scales,
                const View* biases, const View* global_scale, const View& to);

// Groups that follow each other, of codes that are somewhere in memory that ends at codes_end.
struct GroupRun {
  const std::byte* codes;
  const std::byte* scales;
  const std::byte* biases;  // of mode Affine
  const std::byte* codes_end;
  Dtype scales_dtype;
  float factor;  // of all scales
  int64_t n_groups;
};

// To adjacent elements of `dtype`, on the calling thread.
void dequantize_run(const ops::Quantization& format, const GroupRun& run, Dtype dtype, void* to);

}  // namespace tarn::cpu
