#include "tarn/backends/cpu/cpu_backend.h"

#include "tarn/backends/cpu/kernel_launch.h"
#include "tarn/backends/cpu/tile_executor.h"

namespace tarn {

namespace {

class CpuBackend final : public Backend {
 public:
  Device device() const override { return Device::cpu; }

  BufferRef allocate(size_t nbytes) override { return BufferRef::allocate(nbytes); }

  void launch(const OpClass& op_class, const void* op, std::span<const View> inputs,
              std::span<const View> outputs) override {
    cpu::launch_kernel(op_class, op, inputs, outputs);
  }

  void launch(const TileProgram& program, const Shape& shape,
              std::span<const StridedOperand> inputs, std::span<void* const> outputs,
              const int64_t* output_strides) override {
    bool all_flat = true;
    for (const StridedOperand& input : inputs) {
      all_flat &= input.form != StridedOperand::Form::strided;
    }
    if (all_flat) {
      cpu::run(program, inputs, outputs, size_of_shape(shape));
    } else {
      cpu::run(program, inputs, outputs, {shape.data(), shape.size()}, output_strides);
    }
  }

  bool launch_fused(const OpClass& op_class, const void* op, const TileProgram& program,
                    const Shape& shape, std::span<const StridedOperand> inputs,
                    const Strides& strides, const View& output) override {
    return cpu::launch_fused_kernel(op_class, op, program, shape, inputs, strides, output);
  }

  bool choose_output_strides(const Shape& shape, std::span<const StridedOperand> inputs,
                             Strides& output_strides) override {
    return cpu::choose_output_strides({shape.data(), shape.size()}, inputs, output_strides);
  }
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace tarn
