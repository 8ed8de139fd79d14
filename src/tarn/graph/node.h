// A node: one application of an operation to inputs on a stream. Owned by the handles (array) and
// by the nodes that use it; everything a thread other than its builder may look at is immutable, an
// atomic, or published by its outcome.
//
// A node holds arrays and an array holds a node: array.h declares the handle, and what of it needs
// the node is defined at the end here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "tarn/base/layout.h"
#include "tarn/graph/array.h"
#include "tarn/graph/origin.h"
#include "tarn/ops/op.h"
#include "tarn/runtime/buffer.h"
#include "tarn/runtime/outcome.h"

namespace tarn {

// Bytes of an array and where its elements are in them.
struct ArrayData {
  BufferRef buffer;
  Strides strides;
  int64_t offset = 0;     // bytes
  int64_t data_size = 0;  // elements between the lowest and the highest one used
  Flags flags{};
};

// One result of a node. Shape and dtype are known from the start, data once the node has its value.
struct NodeOutput {
  Shape shape;
  Dtype dtype = float32;
  ArrayData data = {};

  int64_t size() const { return size_of_shape(shape); }
};

// Counted by array and by NodePtr.
class Node {
 public:
  // A node to compute.
  Node(Op op, Stream stream, Shape shape, Dtype dtype);
  // A node that is born with its value.
  Node(Shape shape, Dtype dtype, ArrayData data);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Nodes are made and dropped by the million: their memory is recycled per thread.
  static void* operator new(size_t nbytes);
  static void operator delete(void* bytes) noexcept;

  void retain() noexcept { owners.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }

  NodeOutput& output(uint32_t i) noexcept { return i == 0 ? first_output : more_outputs[i - 1]; }
  const NodeOutput& output(uint32_t i) const noexcept {
    return i == 0 ? first_output : more_outputs[i - 1];
  }
  uint32_t n_outputs() const noexcept { return 1 + n_more_outputs; }
  void add_output(Shape shape, Dtype dtype);

  // Forgets how the value came about. Requires: nobody else looks at the inputs now.
  void detach() noexcept;

  // How evaluation holds a node. `unscheduled` again after a retry, and for a node that was only
  // computed inside a fused program: it has no value of its own.
  static constexpr uint64_t kUnscheduled = 0;
  static constexpr uint64_t kScheduled = 1;  // larger values: the ticket of who is planning it

  std::atomic<uint32_t> owners{0};
  uint32_t n_more_outputs = 0;
  std::atomic<uint64_t> schedule{kUnscheduled};
  Outcome outcome;
  Op op;
  Stream stream;
  const uint64_t number;    // creation number
  uint32_t plan_index = 0;  // belongs to who is planning the node
  bool is_tracer = false;
  // Set while user code fills the outputs: they may be written although the node has no value.
  bool under_construction = false;
  // Somebody outside the evaluation that computes it needs the value: see Evaluation::cancel.
  std::atomic<bool> wanted_elsewhere{false};
  Inputs inputs;
  NodeOutput first_output;
  std::unique_ptr<NodeOutput[]> more_outputs;
  Origin origin;

 private:
  static void destroy(Node* node) noexcept;
};

// The class of nodes that were born with their value.
extern const OpClass kConstantClass;

inline void NodePtr::retain() noexcept { node_->retain(); }
inline void NodePtr::release() noexcept { node_->release(); }

inline NodeOutput& array::output() const noexcept { return node_->output(index_); }
inline size_t array::size() const { return size_t(output().size()); }
inline const Shape& array::shape() const { return output().shape; }
inline Dtype array::dtype() const { return output().dtype; }
inline bool array::is_tracer() const { return node_->is_tracer; }
inline void array::set_tracer(bool is_tracer) { node_->is_tracer = is_tracer; }
inline void array::detach() { node_->detach(); }
inline const Strides& array::strides() const { return data_ready().strides; }
inline const Flags& array::flags() const { return data_ready().flags; }
inline size_t array::data_size() const { return size_t(data_ready().data_size); }
inline int64_t array::offset() const { return data_ready().offset; }
inline size_t array::buffer_size() const { return data_ready().buffer.size(); }
inline allocator::Buffer& array::buffer() { return data_ready().buffer.buffer(); }
inline const allocator::Buffer& array::buffer() const { return data_ready().buffer.buffer(); }
inline std::byte* array::first_byte() const {
  ArrayData& data = data_ready();
  return data.buffer.data() + data.offset;
}

}  // namespace tarn
