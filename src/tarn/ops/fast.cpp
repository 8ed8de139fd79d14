#include "tarn/ops/fast.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn::fast {

namespace {

void check_row_vector(const std::optional<array>& vector, const array& x, const char* what,
                      const char* op) {
  if (!vector) return;
  check(vector->ndim() == 1 && vector->shape(0) == x.shape(-1), op,
        "wants as {} a vector of the last axis of {}, got shape {}.", what, x.shape(),
        vector->shape());
}

// Inputs in the dtype that they promote to.
std::vector<array> norm_inputs(const array& x, const std::optional<array>& weight,
                               const std::optional<array>& bias, const char* op, Stream stream) {
  check(x.ndim() > 0, op, "wants at least one axis.");
  check_row_vector(weight, x, "weight", op);
  check_row_vector(bias, x, "bias", op);
  Dtype dtype = x.dtype();
  if (weight) dtype = promote_types(dtype, weight->dtype());
  if (bias) dtype = promote_types(dtype, bias->dtype());
  check(issubdtype(dtype, floating), op, "is defined for floating dtypes, got {}.", dtype);
  std::vector<array> inputs{astype(x, dtype, stream)};
  if (weight) inputs.push_back(astype(*weight, dtype, stream));
  if (bias) inputs.push_back(astype(*bias, dtype, stream));
  return inputs;
}

}  // namespace

array rms_norm(const array& x, const std::optional<array>& weight, float eps, StreamOrDevice s) {
  Stream stream = to_stream(s);
  const std::vector<array> inputs = norm_inputs(x, weight, std::nullopt, "rms_norm", stream);
  return make_node(Op(kKernelClass<ops::RmsNorm>, ops::RmsNorm{eps}), stream, x.shape(),
                   inputs[0].dtype(), inputs);
}

array layer_norm(const array& x, const std::optional<array>& weight,
                 const std::optional<array>& bias, float eps, StreamOrDevice s) {
  Stream stream = to_stream(s);
  const std::vector<array> inputs = norm_inputs(x, weight, bias, "layer_norm", stream);
  return make_node(
      Op(kKernelClass<ops::LayerNorm>, ops::LayerNorm{eps, weight.has_value(), bias.has_value()}),
      stream, x.shape(), inputs[0].dtype(), inputs);
}

array rope(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
           const array& offset, const std::optional<array>& freqs, StreamOrDevice s) {
  const char* const op = "rope";
  check(issubdtype(x.dtype(), floating), op, "is defined for floating dtypes, got {}.", x.dtype());
  check(x.ndim() >= 3, op, "wants at least three axes, got shape {}.", x.shape());
  check(dims > 0 && dims % 2 == 0 && dims <= x.shape(-1), op,
        "cannot turn {} of the features of shape {}: an even number of those that there are.", dims,
        x.shape());
  check(base.has_value() != freqs.has_value(), op, "wants either a base or freqs.");
  check(issubdtype(offset.dtype(), integer), op, "wants an integer offset, got {}.",
        offset.dtype());
  check(offset.ndim() <= 1 && (offset.size() == 1 || int(offset.size()) == x.shape(0)), op,
        "wants one offset or one for each of the first axis of {}, got shape {}.", x.shape(),
        offset.shape());
  Stream stream = to_stream(s);
  std::vector<array> inputs{x, astype(offset, int64, stream)};
  if (freqs) {
    check(freqs->ndim() == 1 && freqs->shape(0) == dims / 2, op,
          "wants {} freqs in a vector, got shape {}.", dims / 2, freqs->shape());
    inputs.push_back(astype(*freqs, float32, stream));
  }
  return make_node(
      Op(kKernelClass<ops::Rope>, ops::Rope{dims, traditional, base.value_or(1), scale}), stream,
      x.shape(), x.dtype(), inputs);
}
array rope(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
           int offset, const std::optional<array>& freqs, StreamOrDevice s) {
  return rope(x, dims, traditional, base, scale, array(offset, int64), freqs, s);
}

CustomKernelFunction metal_kernel(const std::string& name, const std::vector<std::string>&,
                                  const std::vector<std::string>&, const std::string&,
                                  const std::string&, bool, bool, const CompileOptions&) {
  return [name](auto&&...) -> std::vector<array> {
    throw std::runtime_error(fmt::format("[metal_kernel] No Metal back-end to run {}.", name));
  };
}

CustomKernelFunction cuda_kernel(const std::string& name, const std::vector<std::string>&,
                                 const std::vector<std::string>&, const std::string&,
                                 const std::string&, bool, int) {
  throw std::runtime_error(fmt::format("[cuda_kernel] No CUDA back-end to run {}.", name));
}

std::vector<array> precompiled_cuda_kernel(const std::string& name, const std::string&,
                                           const std::vector<array>&, const std::vector<Shape>&,
                                           const std::vector<Dtype>&, const std::vector<ScalarArg>&,
                                           std::tuple<int, int, int>, std::tuple<int, int, int>,
                                           int, std::optional<float>, bool, StreamOrDevice) {
  throw std::runtime_error(
      fmt::format("[precompiled_cuda_kernel] No CUDA back-end to run {}.", name));
}

}  // namespace tarn::fast
