// Convolutions.
#pragma once

#include <vector>

#include "tarn/ops/op_info.h"

namespace tarn::ops {

// Of an input (n, spatial…, channels) with weights (channels out, taps…, channels of a group): sums
// of products of the taps with elements that are kernel_dilation apart, for every stride-th place
// of an input that has had input_dilation - 1 zeros put between its elements and padding_lo zeros
// before them, or as many taken away. The shape of the output says how many places there are; what
// is read past the end of the input is zero.
struct Convolution {
  static constexpr OpInfo info{"conv_general",
                               "input, weight, stride=1, padding=0, kernel_dilation=1, "
                               "input_dilation=1, groups=1, flip=False",
                               "Convolutions along one to three axes."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  struct Axis {
    int stride;
    int padding_lo;
    int kernel_dilation;
    int input_dilation;
  };

  std::vector<Axis> axes;
  int groups;
  bool flip;  // the taps in reverse order
};

}  // namespace tarn::ops
