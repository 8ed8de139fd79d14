// Operations that a program defines itself, in MLX's shape.
#pragma once

#include <utility>
#include <vector>

#include "tarn/base/device.h"
#include "tarn/graph/array.h"

namespace tarn {

// Derive from it and override eval_cpu: allocate each output with set_data(allocator::malloc(…)),
// read the inputs with data<T>(). It runs on a worker thread of its stream; what it throws becomes
// the failure of the node. Requires: no state that two evaluations on two streams would share.
class Primitive {
 public:
  explicit Primitive(Stream stream) : stream_(stream) {}
  virtual ~Primitive() = default;
  Primitive(const Primitive&) = delete;
  Primitive(Primitive&&) = delete;
  Primitive& operator=(const Primitive&) = delete;
  Primitive& operator=(Primitive&&) = delete;

  const Device& device() { return stream_.device; }
  const Stream& stream() { return stream_; }

  virtual void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) = 0;
  virtual void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs) = 0;

  // Rules for the transforms. By default they throw std::runtime_error with the operation's name.
  virtual std::vector<array> jvp(const std::vector<array>& primals,
                                 const std::vector<array>& tangents,
                                 const std::vector<int>& argnums);
  virtual std::vector<array> vjp(const std::vector<array>& primals,
                                 const std::vector<array>& cotangents,
                                 const std::vector<int>& argnums,
                                 const std::vector<array>& outputs);
  virtual std::pair<std::vector<array>, std::vector<int>> vmap(const std::vector<array>& inputs,
                                                               const std::vector<int>& axes);

  virtual const char* name() const = 0;
  virtual bool is_equivalent(const Primitive&) const { return false; }
  virtual std::vector<Shape> output_shapes(const std::vector<array>& inputs);

 private:
  Stream stream_;
};

// A primitive of one output.
class UnaryPrimitive : public Primitive {
 public:
  using Primitive::Primitive;

  virtual void eval_cpu(const std::vector<array>& inputs, array& output) = 0;
  virtual void eval_gpu(const std::vector<array>& inputs, array& output) = 0;

  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) final {
    eval_cpu(inputs, outputs[0]);
  }
  void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs) final {
    eval_gpu(inputs, outputs[0]);
  }
};

// The parameters of a node that a user's primitive computes.
struct UserOperation {
  std::shared_ptr<Primitive> primitive;
};
extern const OpClass kUserOperationClass;

// What the operation of `node` is called; "primitive" for one of the user's whose name() throws.
const char* name_of(const Node& node) noexcept;

}  // namespace tarn
