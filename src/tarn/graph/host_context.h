// What an operation of the host family gets to run with.
#pragma once

#include <stop_token>

#include "tarn/graph/array.h"

namespace tarn {

class HostContext {
 public:
  // `results` has one entry per output of the node.
  HostContext(Node& node, ArrayData* results) : node_(node), results_(results) {}

  const Inputs& inputs() const { return node_.inputs; }
  const NodeOutput& output(uint32_t i) const { return node_.output(i); }
  uint32_t n_outputs() const { return node_.n_outputs(); }
  Stream stream() const { return node_.stream; }
  // Requested once the evaluation was cancelled and nobody else wants what it computes: what the
  // operation makes will be dropped, so it may end with any failure.
  std::stop_token stop() const noexcept;

  // Row-major bytes for output `i`. Throws when there is no memory.
  ArrayData& allocate(uint32_t i);
  // Where the operation puts what it makes itself.
  ArrayData& result(uint32_t i) { return results_[i]; }

 private:
  Node& node_;
  ArrayData* results_;
};

// Bytes of an array. Throws for a shape that no array has.
size_t checked_nbytes(const Shape& shape, Dtype dtype, const char* op = "array");
// Bytes on the device of `stream` for a row-major array. Throws when there is no memory.
ArrayData allocate_row_major(const NodeOutput& output, Stream stream);
// The data of an array that shows bytes of another through `layout`, whose offset is in elements.
ArrayData share(const ArrayData& data, Dtype dtype, const Layout& layout);

}  // namespace tarn
