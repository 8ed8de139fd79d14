#include "tarn/kernels/cpu/conv_problem.h"

#include "tarn/kernels/cpu/copy.h"

namespace tarn::cpu {

namespace {

ShapeElem dim(int64_t n) { return static_cast<ShapeElem>(n); }

Scratch copy_rows(const void* data, const Layout& layout, Dtype dtype,
                  const AllocateScratch& allocate) {
  const Layout dense = row_major(layout.shape);
  Scratch memory = allocate(size_of_shape(layout.shape) * dtype.size());
  copy(view_of(layout, data, dtype), view_of(dense, memory.get(), dtype));
  return memory;
}

}  // namespace

Layout input_layout(const ConvProblem& p) {
  const auto& [a, b, c] = p.axes;
  return {{dim(p.images), dim(a.in), dim(b.in), dim(c.in), dim(p.groups * p.in_channels)},
          {p.in_image, a.in_step, b.in_step, c.in_step, p.in_channel}};
}

Layout weight_layout(const ConvProblem& p) {
  const auto& [a, b, c] = p.axes;
  return {
      {dim(p.groups * p.out_channels), dim(a.taps), dim(b.taps), dim(c.taps), dim(p.in_channels)},
      {p.weight_out, a.weight_step, b.weight_step, c.weight_step, p.weight_in}};
}

Layout output_layout(const ConvProblem& p) {
  const auto& [a, b, c] = p.axes;
  return {{dim(p.images), dim(a.out), dim(b.out), dim(c.out), dim(p.groups * p.out_channels)},
          {p.out_image, a.out_step, b.out_step, c.out_step, 1}};
}

Scratch copy_input(ConvProblem& p, const AllocateScratch& allocate) {
  const Layout layout = input_layout(p);
  Scratch memory = copy_rows(p.in, layout, p.dtype, allocate);
  const Strides strides = row_major_strides(layout.shape);
  p.in = static_cast<const char*>(memory.get());
  p.in_image = strides[0];
  for (int i = 0; i < ConvProblem::kAxes; ++i) p.axes[i].in_step = strides[size_t(i) + 1];
  p.in_channel = 1;
  return memory;
}

Scratch copy_weights(ConvProblem& p, const AllocateScratch& allocate) {
  const Layout layout = weight_layout(p);
  Scratch memory = copy_rows(p.weights, layout, p.dtype, allocate);
  const Strides strides = row_major_strides(layout.shape);
  p.weights = static_cast<const char*>(memory.get());
  p.weight_out = strides[0];
  for (int i = 0; i < ConvProblem::kAxes; ++i) p.axes[i].weight_step = strides[size_t(i) + 1];
  p.weight_in = 1;
  return memory;
}

}  // namespace tarn::cpu
