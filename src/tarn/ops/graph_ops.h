// Operations that forward their inputs' bytes: they order or cut graphs, or change the dtype.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn {

inline constexpr OpInfo kCopyInfo{"copy", "a", "The same array as a node of its own."};
inline constexpr OpInfo kDependsInfo{"depends", "inputs, dependencies",
                                     "Inputs that wait for other arrays."};
inline constexpr OpInfo kStopGradientInfo{"stop_gradient", "a",
                                          "The same array, a constant to gradients."};
inline constexpr OpInfo kViewInfo{"view", "a, dtype", "The same bytes as another dtype."};

inline constexpr OpInfo kForwardingInfo[] = {kCopyInfo, kDependsInfo, kStopGradientInfo, kViewInfo};

}  // namespace tarn
