#include "tarn/backends/cpu/kernel_launch.h"

#include <memory>
#include <type_traits>

#include "tarn/backends/cpu/fused_reduce.h"
#include "tarn/kernels/cpu/attention.h"
#include "tarn/kernels/cpu/conv.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/creation.h"
#include "tarn/kernels/cpu/fft.h"
#include "tarn/kernels/cpu/hadamard.h"
#include "tarn/kernels/cpu/indexing.h"
#include "tarn/kernels/cpu/linalg.h"
#include "tarn/kernels/cpu/masked_scatter.h"
#include "tarn/kernels/cpu/matmul.h"
#include "tarn/kernels/cpu/norm.h"
#include "tarn/kernels/cpu/pad.h"
#include "tarn/kernels/cpu/picked_matmul.h"
#include "tarn/kernels/cpu/quantize.h"
#include "tarn/kernels/cpu/quantized_matmul.h"
#include "tarn/kernels/cpu/random.h"
#include "tarn/kernels/cpu/reduce.h"
#include "tarn/kernels/cpu/rope.h"
#include "tarn/kernels/cpu/scan.h"
#include "tarn/kernels/cpu/scatter.h"
#include "tarn/kernels/cpu/search_sorted.h"
#include "tarn/kernels/cpu/slice_update.h"
#include "tarn/kernels/cpu/softmax.h"
#include "tarn/kernels/cpu/sort.h"
#include "tarn/kernels/cpu/tensor_stats.h"
#include "tarn/kernels/cpu/var.h"
#include "tarn/ops/kernel_ops.h"
#include "tarn/runtime/buffer.h"

namespace tarn::cpu {

namespace {

using Views = std::span<const View>;

Scratch allocate_scratch(int64_t nbytes) {
  const auto buffer = std::make_shared<BufferRef>(BufferRef::allocate(size_t(nbytes)));
  return {buffer, buffer->data()};
}

void run(const ops::Arange& op, Views, Views out) { arange(op.start, op.step, out[0]); }
void run(const ops::ArgReduce& op, Views in, Views out) {
  arg_reduce(op.is_max, in[0], op.axis, out[0]);
}
void run(const ops::ArgSort&, Views in, Views out) {
  const BufferRef scratch = BufferRef::allocate(size_t(argsort_scratch_bytes(in[0])));
  argsort(in[0], out[0], scratch.data());
}
void run(const ops::Attention& op, Views in, Views out) {
  const BufferRef scratch = BufferRef::allocate(size_t(attention_scratch_bytes(in, out[0])));
  attention(op, in, out[0], scratch.data());
}
void run(const ops::Cholesky& op, Views in, Views out) { cholesky(in[0], op.upper, out[0]); }
void run(const ops::Concatenate& op, Views in, Views out) { concatenate(in, op.axis, out[0]); }
void run(const ops::Convolution& op, Views in, Views out) {
  convolve(op, in[0], in[1], out[0], allocate_scratch);
}
void run(const ops::Dequantize& op, Views in, Views out) {
  const bool is_affine = op.format.mode == QuantizationMode::Affine;
  dequantize(op.format, in[0], in[1], is_affine ? &in[2] : nullptr,
             op.has_global_scale ? &in.back() : nullptr, out[0]);
}
void run(const ops::Determinant&, Views in, Views out) { determinant(in[0], out[0]); }
void run(const ops::DynamicSlice& op, Views in, Views out) {
  dynamic_slice(in[0], in[1], op.axes, out[0]);
}
void run(const ops::DynamicSliceUpdate& op, Views in, Views out) {
  dynamic_slice_update(in[0], in[1], in[2], op.axes, out[0]);
}
void run(const ops::Eig&, Views in, Views out) {
  eig(in[0], out[0], out.size() > 1 ? &out[1] : nullptr);
}
void run(const ops::Eigh& op, Views in, Views out) {
  eigh(in[0], op.upper, out[0], out.size() > 1 ? &out[1] : nullptr);
}
void run(const ops::Eye& op, Views, Views out) { eye(op.k, out[0]); }
void run(const ops::Fft& op, Views in, Views out) { fft(op, in[0], out[0]); }
void run(const ops::Gather& op, Views in, Views out) {
  gather(in[0], in.subspan(1), op.axes, out[0]);
}
void run(const ops::GatherMatmul&, Views in, Views out) {
  gather_matmul(in[0], in[1], in[2], in[3], out[0], allocate_scratch);
}
void run(const ops::GatherQuantizedMatmul& op, Views in, Views out) {
  gather_quantized_matmul(op.format, op.transpose, in[0], in.subspan(1, in.size() - 3),
                          in[in.size() - 2], in.back(), out[0], allocate_scratch);
}
void run(const ops::Hadamard& op, Views in, Views out) {
  const BufferRef scratch = BufferRef::allocate(size_t(hadamard_scratch_bytes(in[0], out[0])));
  hadamard(in[0], op.scale, out[0], scratch.data());
}
void run(const ops::Inverse&, Views in, Views out) { inverse(in[0], out[0]); }
void run(const ops::LayerNorm& op, Views in, Views out) {
  layer_norm(in[0], op.has_weight ? &in[1] : nullptr, op.has_bias ? &in.back() : nullptr, op.eps,
             out[0]);
}
void run(const ops::LogDeterminant&, Views in, Views out) {
  log_determinant(in[0], out[0], out[1]);
}
void run(const ops::Lu&, Views in, Views out) { lu(in[0], out[0], out[1], out[2]); }
void run(const ops::LuFactor&, Views in, Views out) { lu_factor(in[0], out[0], out[1]); }
void run(const ops::MaskedScatter&, Views in, Views out) {
  masked_scatter(in[0], in[1], in[2], out[0]);
}
void run(const ops::Matmul&, Views in, Views out) {
  matmul(in[0], in[1], out[0], allocate_scratch);
}
void run(const ops::Pad& op, Views in, Views out) {
  pad(op.mode, in[0], op.low, in.back().data, out[0]);
}
void run(const ops::Qr&, Views in, Views out) { qr(in[0], out[0], out[1]); }
void run(const ops::Quantize& op, Views in, Views out) {
  quantize(op.format, in[0], in.size() > 1 ? &in[1] : nullptr, out[0], out[1],
           out.size() > 2 ? &out[2] : nullptr);
}
void run(const ops::QuantizedMatmul& op, Views in, Views out) {
  quantized_matmul(op.format, op.transpose, in[0], in.subspan(1), out[0], allocate_scratch);
}
void run(const ops::RandomBits&, Views in, Views out) { random_bits(in[0], out[0]); }
void run(const ops::RandomUniform& op, Views in, Views out) {
  random_uniform(op, in[0], in[1], in[2], out[0]);
}
void run(const ops::Reduce& op, Views in, Views out) {
  reduce(op.op, in[0], op.axes, out[0], allocate_scratch);
}
void run(const ops::RmsNorm& op, Views in, Views out) {
  rms_norm(in[0], in.size() > 1 ? &in[1] : nullptr, op.eps, out[0]);
}
void run(const ops::Rope& op, Views in, Views out) {
  rope(op, in[0], in[1], in.size() > 2 ? &in[2] : nullptr, out[0]);
}
void run(const ops::Scan& op, Views in, Views out) {
  scan(op.op, in[0], op.axis, op.order, out[0]);
}
void run(const ops::Scatter& op, Views in, Views out) {
  scatter(op.mode, in[0], in.subspan(1, op.axes.size()), op.axes, in.back(), out[0]);
}
void run(const ops::ScatterAxis& op, Views in, Views out) {
  scatter_axis(op.mode, in[0], in[1], op.axis, in[2], out[0]);
}
void run(const ops::SearchSorted& op, Views in, Views out) {
  search_sorted(in[0], in[1], op.right, out[0]);
}
void run(const ops::SegmentedMatmul&, Views in, Views out) {
  segmented_matmul(in[0], in[1], in[2], out[0], allocate_scratch);
}
void run(const ops::SliceUpdate& op, Views in, Views out) {
  slice_update(in[0], in[1], op.bounds, out[0]);
}
void run(const ops::Softmax& op, Views in, Views out) {
  const BufferRef scratch =
      BufferRef::allocate(size_t(softmax_scratch_bytes(in[0], op.axes, out[0])));
  softmax(in[0], op.axes, out[0], scratch.data());
}
void run(const ops::Solve&, Views in, Views out) { solve(in[0], in[1], out[0]); }
void run(const ops::SolveTriangular& op, Views in, Views out) {
  solve_triangular(in[0], in[1], op.upper, out[0]);
}
void run(const ops::Sort&, Views in, Views out) {
  const BufferRef scratch = BufferRef::allocate(size_t(sort_scratch_bytes(in[0])));
  cpu::sort(in[0], out[0], scratch.data());
}
void run(const ops::Svd&, Views in, Views out) {
  out.size() == 1 ? svd(in[0], nullptr, out[0], nullptr) : svd(in[0], &out[0], out[1], &out[2]);
}
void run(const ops::Take& op, Views in, Views out) { take(in[0], in[1], op.axis, out[0]); }
void run(const ops::TakeAlongAxis& op, Views in, Views out) {
  take_along_axis(in[0], in[1], op.axis, out[0]);
}
void run(const ops::TensorStats& op, Views in, Views out) {
  tensor_stats(op.format, in[0], out[0]);
}
void run(const ops::TopK&, Views in, Views out) { top_k(in[0], out[0]); }
void run(const ops::TriangularInverse& op, Views in, Views out) {
  triangular_inverse(in[0], op.upper, out[0]);
}
void run(const ops::Var& op, Views in, Views out) { var(in[0], op.axes, op.ddof, out[0]); }

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

bool launch_fused_kernel(const OpClass& op_class, const void* op, const TileProgram& program,
                         const Shape& shape, std::span<const StridedOperand> inputs,
                         const Strides& strides, const View& output) {
  if (op_class.index != int(KernelOp::Reduce)) return false;
  return reduce_program(*static_cast<const ops::Reduce*>(op), program, shape, inputs, strides,
                        output, allocate_scratch);
}

}  // namespace tarn::cpu
