// The tensors of a language model, made up.
#pragma once

#include <cstdint>
#include <vector>

#include "tarn/io/safetensors_header.h"

namespace tarn::cli {

// Weights are normal, with this mean and standard deviation.
struct SampleTensor {
  io::SafetensorsSpec spec;
  double mean;
  double scale;

  uint64_t nbytes() const;
};

// Those of a model of the Llama family that takes about `nbytes`. Most layers are bfloat16; some
// are float16, int8 or 8-bit floats, as mixed checkpoints have them.
std::vector<SampleTensor> sample_model(uint64_t nbytes);

}  // namespace tarn::cli
