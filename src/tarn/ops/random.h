// Random bits, and the uniform numbers that all other distributions are made of.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Note [Random bits]
// The first input has keys of two uint32 words along its last axis; the output's shape begins with
// its other axes. Each key fills the rest of the shape, as little-endian words w[0], w[1], … of
// which the last may be cut off. With n words, h = floor(n / 2) and o = n mod 2, the block cipher
// turns counter (i, i + h + o) into (w[i], w[i + h + o]) for i < h, and (h, 0) into a pair of which
// w[h] is the first if o = 1. JAX and MLX draw the same bits.
struct RandomBits {
  static constexpr OpInfo info{"random_bits", "key, shape, width",
                               "Random unsigned integers, the same for the same key."};
};

// Of inputs key, range and low, the latter two float32 scalars: u * range + low, float32, where u
// is a word of 32 random bits over 2^32, limited to [least, most].
struct RandomUniform {
  static constexpr OpInfo info{"random_uniform", "key, range, low, shape",
                               "Random numbers of an interval, the same for the same key."};

  float least;
  float most;
};

}  // namespace tarn::ops
