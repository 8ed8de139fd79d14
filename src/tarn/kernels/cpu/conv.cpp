#include "tarn/kernels/cpu/conv.h"

#include <cassert>
#include <numeric>

#include "tarn/kernels/cpu/conv_depthwise.h"
#include "tarn/kernels/cpu/conv_onednn.h"
#include "tarn/kernels/cpu/conv_packed.h"
#include "tarn/kernels/cpu/creation.h"

namespace tarn::cpu {

namespace {

// Along an axis, the places whose taps fall on the same zeros between the elements of a dilated
// input. The other taps and the elements in between are a convolution without input dilation.
struct Phase {
  ConvAxis axis;
  int64_t first_tap;
};

int64_t n_phases(const ConvAxis& axis, int64_t input_dilation) {
  return std::min(axis.out, input_dilation / std::gcd(axis.stride, input_dilation));
}

// That of place number `place`, one of the first n_phases. `axis` counts elements of the dilated
// input, but for `in`.
Phase phase_of(const ConvAxis& axis, int64_t input_dilation, int64_t place) {
  const int64_t place_step = input_dilation / std::gcd(axis.stride, input_dilation);
  const int64_t tap_step = input_dilation / std::gcd(axis.dilation, input_dilation);
  const int64_t first = axis.first(place);
  int64_t tap = 0;
  while (tap < std::min(tap_step, axis.taps) && (first + tap * axis.dilation) % input_dilation != 0)
    ++tap;
  const bool meets_elements = tap < std::min(tap_step, axis.taps);
  Phase phase{axis, tap};
  phase.axis.out = (axis.out - place + place_step - 1) / place_step;
  phase.axis.taps = meets_elements ? (axis.taps - tap + tap_step - 1) / tap_step : 0;
  phase.axis.stride = place_step * axis.stride / input_dilation;
  phase.axis.dilation = tap_step * axis.dilation / input_dilation;
  phase.axis.low = -(first + tap * axis.dilation) / input_dilation;
  phase.axis.weight_step *= tap_step;
  phase.axis.out_step *= place_step;
  return phase;
}

// Takes away what no tap reaches: at the front, so that no padding is negative, and at the end if
// it is more than what a stride leaves over.
void crop(ConvProblem& p) {
  for (ConvAxis& axis : p.axes) {
    const int64_t skipped = std::min(axis.in, std::max<int64_t>(0, -axis.low));
    p.in += skipped * axis.in_step * p.dtype.size();
    axis.in -= skipped;
    axis.low += skipped;
    if (axis.in - axis.reach() >= axis.stride) axis.in = std::max<int64_t>(0, axis.reach());
  }
}

void convolve_phase(ConvProblem p, const AllocateScratch& allocate) {
  crop(p);
  if (size_of_shape(input_layout(p).shape) == 0 || p.depth() == 0) {
    const uint64_t zero = 0;
    return fill(&zero, view_of(output_layout(p), p.out, p.dtype));
  }
  if (p.groups > 1 && p.in_channels == 1) return convolve_depthwise(p, allocate);
  if (!convolved_by_onednn(p, allocate)) convolve_packed(p, allocate);
}

// The convolution of the dilated input; channels of the output are those of `out`.
ConvProblem describe(const ops::Convolution& op, const View& in, const View& weights,
                     const View& out) {
  const int last = out.ndim - 1;
  ConvProblem p{.dtype = out.dtype,
                .in = in.as<const char>(),
                .weights = weights.as<const char>(),
                .out = out.as<char>(),
                .images = in.shape[0],
                .groups = op.groups,
                .in_channels = weights.shape[last],
                .out_channels = weights.shape[0] / op.groups,
                .axes = {},
                .in_image = in.strides[0],
                .in_channel = in.strides[last],
                .weight_out = weights.strides[0],
                .weight_in = weights.strides[last],
                .out_image = out.strides[0]};
  const int n_single = ConvProblem::kAxes - int(op.axes.size());
  for (int i = 0; i < n_single; ++i) p.axes[i] = {1, 1, 1, 1, 1, 0, 0, 0, 0};
  for (int i = n_single; i < ConvProblem::kAxes; ++i) {
    const int axis = i - n_single + 1;
    const ops::Convolution::Axis& of = op.axes[size_t(axis) - 1];
    p.axes[i] = {in.shape[axis],   weights.shape[axis],   out.shape[axis],
                 of.stride,        of.kernel_dilation,    of.padding_lo,
                 in.strides[axis], weights.strides[axis], out.strides[axis]};
    if (!op.flip) continue;
    ConvAxis& flipped = p.axes[i];
    p.weights += (flipped.taps - 1) * flipped.weight_step * p.dtype.size();
    flipped.weight_step = -flipped.weight_step;
  }
  return p;
}

}  // namespace

void convolve(const ops::Convolution& op, const View& in, const View& weights, const View& out,
              const AllocateScratch& allocate) {
  assert(in.dtype == out.dtype && weights.dtype == out.dtype && is_row_contiguous(out));
  if (out.size == 0) return;
  const ConvProblem whole = describe(op, in, weights, out);
  int64_t dilations[ConvProblem::kAxes] = {1, 1, 1};
  for (size_t i = 0; i < op.axes.size(); ++i)
    dilations[ConvProblem::kAxes - op.axes.size() + i] = op.axes[i].input_dilation;

  Shape phases;
  for (int i = 0; i < ConvProblem::kAxes; ++i)
    phases.push_back(static_cast<ShapeElem>(n_phases(whole.axes[i], dilations[i])));
  for (int64_t phase = 0; phase < size_of_shape(phases); ++phase) {
    ConvProblem p = whole;
    int64_t rest = phase;
    for (int i = ConvProblem::kAxes; i-- > 0; rest /= phases[size_t(i)]) {
      const int64_t place = rest % phases[size_t(i)];
      const auto [axis, first_tap] = phase_of(whole.axes[i], dilations[i], place);
      p.axes[i] = axis;
      p.weights += first_tap * whole.axes[i].weight_step * p.dtype.size();
      p.out += place * whole.axes[i].out_step * p.dtype.size();
    }
    convolve_phase(p, allocate);
  }
}

}  // namespace tarn::cpu
