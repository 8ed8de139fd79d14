// Layers of transformers that are one kernel each rather than a dozen operations.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Rows are the elements along the last axis. Floating dtypes; 16-bit ones are computed in float32.

// Inputs: x and, if there is one, the weight, a vector of x's dtype.
struct RmsNorm {
  static constexpr OpInfo info{"rms_norm", "x, weight, eps",
                               "Rows over the root of the mean of their squares."};
  static constexpr DtypeKinds accepts = kFloatingKind;
  static constexpr bool kMayOverwriteInput = true;

  float eps;
};

// Inputs: x and, as far as there are such, the weight and the bias, vectors of x's dtype.
struct LayerNorm {
  static constexpr OpInfo info{"layer_norm", "x, weight, bias, eps",
                               "Rows less their mean over their standard deviation."};
  static constexpr DtypeKinds accepts = kFloatingKind;
  static constexpr bool kMayOverwriteInput = true;

  float eps;
  bool has_weight;
  bool has_bias;
};

// Turns pairs of the first `dims` elements of each row by angles that grow with its index along the
// last axis but one, its position. Inputs: x; the offset that is added to positions, int64, one
// number or one for each index along the first axis; in place of `base` the wavelengths of all
// pairs over 2 pi, a float32 vector.
struct Rope {
  static constexpr OpInfo info{"rope", "x, dims, traditional, base, scale, offset, freqs",
                               "Pairs of elements turned by angles that encode their position."};
  static constexpr DtypeKinds accepts = kFloatingKind;
  static constexpr bool kMayOverwriteInput = true;

  int dims;
  bool traditional;  // pairs are neighbours; else elements of the first and the second half
  float base;        // of pair i the angle is position * scale * base^(-2i / dims)
  float scale;
};

}  // namespace tarn::ops
