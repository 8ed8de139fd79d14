// Views of arrays, as backends take them.
#pragma once

#include "tarn/base/view.h"
#include "tarn/graph/node.h"

namespace tarn {

// Requires: `data` is that of an array of the output's shape. Borrows from both. Throws
// std::overflow_error for more elements than can be counted.
inline View view_of(const NodeOutput& output, const ArrayData& data) {
  return {data.buffer.data() + data.offset, output.shape.data(), data.strides.data(),
          int(output.shape.size()),         output.dtype,        output.size()};
}
inline View view_of(const NodeOutput& output) { return view_of(output, output.data); }

}  // namespace tarn
