// What the runtime and the graph need of one kind of hardware.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tarn/base/device.h"
#include "tarn/base/shape.h"
#include "tarn/base/view.h"
#include "tarn/runtime/buffer.h"

namespace tarn {

struct OpClass;
class TileProgram;

// Thread-safe. Bodies throw; whoever calls turns that into a failure of the node.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Device device() const = 0;
  // Throws when there is no memory for it. `nbytes` may be 0.
  virtual BufferRef allocate(size_t nbytes) = 0;

  // Runs a kernel: reads the inputs, fills the outputs, which are row-major. `op` points to the
  // operation's parameters, null if it has none.
  virtual void launch(const OpClass& op_class, const void* op, std::span<const View> inputs,
                      std::span<const View> outputs) = 0;

  // Runs an elementwise program over `shape`. Outputs are row-major or, if `output_strides` is not
  // null, dense by those. An output may be the memory of a dense input of the same element size.
  // Does not fail once it has begun to write.
  virtual void launch(const TileProgram& program, const Shape& shape,
                      std::span<const StridedOperand> inputs, std::span<void* const> outputs,
                      const int64_t* output_strides) = 0;
  // Runs a kernel that reads a program: its input is output 0 of the program, an array with
  // `strides`, which are dense. Returns false, having written nothing, where it takes an array in
  // memory.
  virtual bool launch_fused(const OpClass& op_class, const void* op, const TileProgram& program,
                            const Shape& shape, std::span<const StridedOperand> inputs,
                            const Strides& strides, const View& output) = 0;
  // The layout that outputs of such a program should have. Returns whether the inputs that are not
  // single elements all have it, and so may be passed as dense; otherwise it is row-major.
  virtual bool choose_output_strides(const Shape& shape, std::span<const StridedOperand> inputs,
                                     Strides& output_strides) = 0;
};

// All backends that are built in. Defined by the composition root.
std::vector<std::unique_ptr<Backend>> make_backends();

}  // namespace tarn
