// Op: which operation and its parameters, as one small value. No inputs, no device, no stream.
//
// A plain struct declares an operation; OpClass is what the graph knows of it, made from the struct
// at compile time. Kernels are found by the class's index in the list of all operations (all.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "tarn/base/layout.h"
#include "tarn/ops/elementwise_op.h"
#include "tarn/ops/op_info.h"

namespace tarn {

class HostContext;

enum class OpFamily : uint8_t {
  elementwise,  // an instruction of a tile program
  view,         // a layout of the input's bytes; a copy where no layout will do
  kernel,       // a kernel of the backend, from row-major or strided inputs to new outputs
  host,         // runs by itself: reads a file, calls the user's code, forwards its input
};

// What the graph knows of an operation. One constant for each, compared by address.
struct OpClass {
  OpInfo info;
  OpFamily family;
  ElementwiseOp code = ElementwiseOp::cast;  // of the elementwise family
  int index = -1;                            // of the kernel family: position in KernelOps
  // Of the view family: the layout of the output, nothing if that takes a row-major copy first.
  std::optional<Layout> (*layout)(const void* op, const Layout& input) = nullptr;
  // Of the kernel family: output 0 may be the memory of input 0, if it has the same shape and
  // dtype. Then the kernel throws nothing once it has written.
  bool may_overwrite_input = false;
  // Of the kernel family, with one input and one output: the input may be a value of a program that
  // is in no memory.
  bool reads_program = false;
  // Of the host family.
  void (*run)(const void* op, HostContext& context) = nullptr;
  // Whether it may block for long, so that no user's thread should run it itself.
  bool may_block = false;
};

// The parameters of an operation that has any: immutable, shared by the nodes that use them.
struct OpParams {
  virtual ~OpParams() = default;
  virtual const void* get() const noexcept = 0;

  std::atomic<int> owners{0};
};

template <class T>
struct OpParamsOf final : OpParams {
  explicit OpParamsOf(T op) : op(std::move(op)) {}
  const void* get() const noexcept override { return &op; }

  T op;
};

class Op {
 public:
  // An operation without parameters.
  explicit Op(const OpClass& op_class) noexcept : class_(&op_class) {}
  template <class T>
  Op(const OpClass& op_class, T op) : class_(&op_class), params_(new OpParamsOf<T>(std::move(op))) {
    params_->owners.store(1, std::memory_order_relaxed);
  }

  Op(const Op& other) noexcept : class_(other.class_), params_(other.params_) {
    if (params_ != nullptr) params_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Op(Op&& other) noexcept : class_(other.class_), params_(std::exchange(other.params_, nullptr)) {}
  Op& operator=(Op other) noexcept {
    std::swap(class_, other.class_);
    std::swap(params_, other.params_);
    return *this;
  }
  ~Op() {
    if (params_ != nullptr && params_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete params_;
    }
  }

  const OpClass& op_class() const noexcept { return *class_; }
  const char* name() const noexcept { return class_->info.name; }
  // The struct with the parameters; null when the operation has none.
  const void* params() const noexcept { return params_ != nullptr ? params_->get() : nullptr; }

 private:
  const OpClass* class_;
  OpParams* params_ = nullptr;
};

// The class of each elementwise operation, by its code.
extern const OpClass kElementwiseClasses[kElementwiseOpCount];

inline Op elementwise_op(ElementwiseOp code) noexcept { return Op(kElementwiseClasses[int(code)]); }

}  // namespace tarn
