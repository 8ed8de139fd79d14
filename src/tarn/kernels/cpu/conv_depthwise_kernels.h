// The inner loops of convolutions whose groups have one channel, one table per instruction set.
#pragma once

#include <cstdint>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// Places along an axis that all see the same taps. Steps are in elements, channels are adjacent.
struct DepthwiseRun {
  // For each line of taps, its weights and the line of the input that they meet.
  const void* const* weights;
  const void* const* in;
  int64_t n_lines;
  int64_t first_weight, first_in;  // offsets of the first tap, at the first place
  int64_t n_taps;                  // of a line
  int64_t weight_step, in_step;    // from tap to tap
  void* out;
  int64_t n_places;
  int64_t in_place_step, out_place_step;
  int64_t n_channels;
};

// By dtype; null where there is none. Sums of 16-bit floats are kept in float, others in their own
// type. The functions allocate nothing and run on the calling thread.
struct DepthwiseKernels {
  void (*of_dtype[kDtypeCount])(const DepthwiseRun& run);
};

// Those of the instruction set that kernels() has chosen.
const DepthwiseKernels& depthwise_kernels();

}  // namespace tarn::cpu
