#include "tarn/backends/cpu/kernel_launch.h"

#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/creation.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn::cpu {

namespace {

using Views = std::span<const View>;

void run(const ops::Arange& op, Views, Views out) { arange(op.start, op.step, out[0]); }
void run(const ops::Concatenate& op, Views in, Views out) { concatenate(in, op.axis, out[0]); }
void run(const ops::Eye& op, Views, Views out) { eye(op.k, out[0]); }
template <class T>
void run(const T&, Views, Views) {
  throw std::runtime_error("no kernel yet");
}

template <class T>
void launch(const void* op, Views inputs, Views outputs) {
  if constexpr (std::is_empty_v<T>) {
    run(T(), inputs, outputs);
  } else {
    run(*static_cast<const T*>(op), inputs, outputs);
  }
}

using Launch = void (*)(const void* op, Views inputs, Views outputs);
constexpr Launch kLaunches[] = {
#define TARN_LAUNCH(Type) launch<ops::Type>,
    TARN_KERNEL_OPS(TARN_LAUNCH)
#undef TARN_LAUNCH
};

}  // namespace

void launch_kernel(const OpClass& op_class, const void* op, Views inputs, Views outputs) {
  kLaunches[op_class.index](op, inputs, outputs);
}

}  // namespace tarn::cpu
