#include "tarn/ops/conv.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

// What a function's user says of the axes: a list each.
struct Parameters {
  std::vector<int> stride, padding_lo, padding_hi, kernel_dilation, input_dilation;
  int groups = 1;
  bool flip = false;
};

void expand(std::vector<int>& list, int fallback, size_t n_axes, const char* name, const char* op) {
  if (list.size() <= 1) list.assign(n_axes, list.empty() ? fallback : list[0]);
  check(list.size() == n_axes, op, "{} has {} numbers for {} spatial axes.", name, list.size(),
        n_axes);
}

void check_operands(const array& input, const array& weight, const Parameters& p, const char* op) {
  check(input.ndim() >= 3 && input.ndim() <= 5 && weight.ndim() == input.ndim(), op,
        "wants one to three spatial axes between batch and channels in both operands, got shapes "
        "{} and {}.",
        input.shape(), weight.shape());
  check(p.groups >= 1, op, "cannot split channels into {} groups.", p.groups);
  check(p.groups == 1 || input.ndim() <= 4, op, "has no groups with three spatial axes, got {}.",
        p.groups);
  check(input.shape(-1) == int64_t{weight.shape(-1)} * p.groups && weight.shape(0) % p.groups == 0,
        op, "channels of input {} and weights {} do not fit with {} groups.", input.shape(),
        weight.shape(), p.groups);
}

// How many elements apart the first and the last of n are, and one more.
ShapeElem dilated(ShapeElem n, int dilation, const char* op) {
  return n == 0 ? 0 : safe_cast(int64_t{n - 1} * dilation + 1, op);
}

array convolve(const array& input, const array& weight, Parameters p, const char* op,
               StreamOrDevice s) {
  check_operands(input, weight, p, op);
  const Dtype dtype = promote_types(input.dtype(), weight.dtype());
  check(issubdtype(dtype, floating), op, "is defined for floating dtypes, got {} and {}.",
        input.dtype(), weight.dtype());
  const size_t n_axes = input.ndim() - 2;
  expand(p.stride, 1, n_axes, "stride", op);
  expand(p.padding_lo, 0, n_axes, "padding", op);
  expand(p.padding_hi, 0, n_axes, "padding", op);
  expand(p.kernel_dilation, 1, n_axes, "kernel dilation", op);
  expand(p.input_dilation, 1, n_axes, "input dilation", op);

  ops::Convolution conv{{}, p.groups, p.flip};
  Shape shape{input.shape(0)};
  for (size_t i = 0; i < n_axes; ++i) {
    const int axis = int(i) + 1;
    check(p.stride[i] > 0 && p.kernel_dilation[i] > 0 && p.input_dilation[i] > 0, op,
          "wants positive strides and dilations, got {}, {} and {}.", p.stride[i],
          p.kernel_dilation[i], p.input_dilation[i]);
    const ShapeElem taps = dilated(weight.shape(axis), p.kernel_dilation[i], op);
    const ShapeElem padded =
        safe_cast(int64_t{dilated(input.shape(axis), p.input_dilation[i], op)} + p.padding_lo[i] +
                      p.padding_hi[i],
                  op);
    check(taps > 0 && taps <= padded, op,
          "{} taps do not fit into {} padded elements along axis {}, shapes {} and {}.", taps,
          padded, axis, input.shape(), weight.shape());
    shape.push_back((padded - taps) / p.stride[i] + 1);
    conv.axes.push_back({p.stride[i], p.padding_lo[i], p.kernel_dilation[i], p.input_dilation[i]});
  }
  shape.push_back(weight.shape(0));
  const Stream stream = to_stream(s);
  return make_node(Op(kKernelClass<ops::Convolution>, std::move(conv)), stream, std::move(shape),
                   dtype, astype(input, dtype, stream), astype(weight, dtype, stream));
}

// The convolution that spreads each element of the input over as many places as there are taps.
array convolve_transposed(const array& input, const array& weight, const std::vector<int>& stride,
                          const std::vector<int>& padding, const std::vector<int>& dilation,
                          const std::vector<int>& output_padding, int groups, const char* op,
                          StreamOrDevice s) {
  Parameters p{.kernel_dilation = dilation, .input_dilation = stride, .groups = groups};
  p.flip = true;
  check_operands(input, weight, p, op);
  const size_t n_axes = stride.size();
  check(input.ndim() == n_axes + 2, op, "wants {} spatial axes, got shape {}.", n_axes,
        input.shape());
  for (size_t i = 0; i < n_axes; ++i) {
    const int64_t reach = int64_t{weight.shape(int(i) + 1) - 1} * dilation[i];
    p.padding_lo.push_back(safe_cast(reach - padding[i], op));
    p.padding_hi.push_back(safe_cast(reach - padding[i] + output_padding[i], op));
  }
  return convolve(input, weight, std::move(p), op, s);
}

array convolve_spatial(const array& input, const array& weight, std::vector<int> stride,
                       const std::vector<int>& padding, std::vector<int> dilation, int groups,
                       const char* op, StreamOrDevice s) {
  check(input.ndim() == stride.size() + 2, op, "wants {} spatial axes, got shape {}.",
        stride.size(), input.shape());
  return convolve(input, weight,
                  {.stride = std::move(stride),
                   .padding_lo = padding,
                   .padding_hi = padding,
                   .kernel_dilation = std::move(dilation),
                   .groups = groups},
                  op, s);
}

std::vector<int> list(int x) { return {x}; }
std::vector<int> list(const std::pair<int, int>& x) { return {x.first, x.second}; }
std::vector<int> list(const std::tuple<int, int, int>& x) {
  return {std::get<0>(x), std::get<1>(x), std::get<2>(x)};
}

}  // namespace

array conv_general(array input, array weight, std::vector<int> stride, std::vector<int> padding_lo,
                   std::vector<int> padding_hi, std::vector<int> kernel_dilation,
                   std::vector<int> input_dilation, int groups, bool flip, StreamOrDevice s) {
  return convolve(input, weight,
                  {std::move(stride), std::move(padding_lo), std::move(padding_hi),
                   std::move(kernel_dilation), std::move(input_dilation), groups, flip},
                  "conv_general", s);
}

array conv_general(const array& input, const array& weight, std::vector<int> stride,
                   std::vector<int> padding, std::vector<int> kernel_dilation,
                   std::vector<int> input_dilation, int groups, bool flip, StreamOrDevice s) {
  return convolve(input, weight,
                  {std::move(stride), padding, padding, std::move(kernel_dilation),
                   std::move(input_dilation), groups, flip},
                  "conv_general", s);
}

#define TARN_DEFINE_CONVOLUTIONS(n, Numbers)                                                     \
  array conv##n(const array& input, const array& weight, Numbers stride, Numbers padding,        \
                Numbers dilation, int groups, StreamOrDevice s) {                                \
    return convolve_spatial(input, weight, list(stride), list(padding), list(dilation), groups,  \
                            "conv" #n, s);                                                       \
  }                                                                                              \
  array conv_transpose##n(const array& input, const array& weight, Numbers stride,               \
                          Numbers padding, Numbers dilation, Numbers output_padding, int groups, \
                          StreamOrDevice s) {                                                    \
    return convolve_transposed(input, weight, list(stride), list(padding), list(dilation),       \
                               list(output_padding), groups, "conv_transpose" #n, s);            \
  }
using Pair = std::pair<int, int>;
using Triple = std::tuple<int, int, int>;
TARN_DEFINE_CONVOLUTIONS(1d, int)
TARN_DEFINE_CONVOLUTIONS(2d, const Pair&)
TARN_DEFINE_CONVOLUTIONS(3d, const Triple&)
#undef TARN_DEFINE_CONVOLUTIONS

}  // namespace tarn
