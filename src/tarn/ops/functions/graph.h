// Functions of the graph rather than of numbers.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

array copy(array a, StreamOrDevice s = {});
array stop_gradient(const array& a, StreamOrDevice s = {});
// The inputs, computed after the dependencies: they fail if a dependency does.
std::vector<array> depends(const std::vector<array>& inputs,
                           const std::vector<array>& dependencies);

}  // namespace tarn
