// How functions build nodes.
#pragma once

#include <utility>

#include "tarn/graph/array.h"
#include "tarn/ops/op.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// A node of one output.
template <class... Arrays>
requires is_arrays_v<Arrays...> array make_node(Op op, Stream stream, Shape shape, Dtype dtype,
                                                Arrays&&... inputs) {
  NodePtr node(new Node(std::move(op), stream, std::move(shape), dtype));
  (node->inputs.emplace_back(std::forward<Arrays>(inputs)), ...);
  return array(std::move(node), 0);
}

inline array make_node(Op op, Stream stream, Shape shape, Dtype dtype,
                       const std::vector<array>& inputs) {
  NodePtr node(new Node(std::move(op), stream, std::move(shape), dtype));
  node->inputs = Inputs(inputs.begin(), inputs.end());
  return array(std::move(node), 0);
}

// A node of several outputs, of which shapes and dtypes are given.
inline std::vector<array> make_node(Op op, Stream stream, std::vector<NodeOutput> outputs,
                                    const std::vector<array>& inputs) {
  array first =
      make_node(std::move(op), stream, std::move(outputs[0].shape), outputs[0].dtype, inputs);
  for (size_t i = 1; i < outputs.size(); ++i) {
    first.node().add_output(std::move(outputs[i].shape), outputs[i].dtype);
  }
  return first.outputs();
}

// Counted from the front. Throws Exception for an axis out of range.
template <class Exception = std::invalid_argument>
int normalize_axis(int axis, int ndim, const char* op);

// The last `n` axes left out.
inline Shape without_last(const Shape& shape, int n) {
  return Shape(shape.begin(), shape.end() - n);
}
// Matrices with their leading axes broadcast to `batch`.
array with_batch(const array& matrices, Shape batch, StreamOrDevice s);

// Sorted, counted from the front. Throws Exception for an axis out of range and
// std::invalid_argument for one that is named twice.
template <class Exception = std::invalid_argument>
std::vector<int> normalize_axes(std::vector<int> axes, int ndim, const char* op);

// 0, 1, … up to ndim - 1.
std::vector<int> all_axes(int ndim);

// Puts what is left of `size` elements in the place of a dimension of -1. Throws
// std::invalid_argument for other negative dimensions, a second -1, and if nothing whole is left.
void infer_dimension(Shape& shape, int64_t size, const char* op);

}  // namespace tarn
