// Products of matrices.
#pragma once

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Products over the last axis of a and the last but one of b; leading axes broadcast.
array matmul(const array& a, const array& b, StreamOrDevice s = {});

}  // namespace tarn
