// Layers of transformers as one kernel each, and kernels that programs bring along.
//
// Inputs are of floating dtypes. 16-bit ones are computed in float32.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn::fast {

// Along the last axis, x over the root of the mean of its squares plus eps; times the weight, a
// vector. The dtype is what both promote to.
array rms_norm(const array& x, const std::optional<array>& weight, float eps,
               StreamOrDevice s = {});
// Along the last axis, x less its mean over the root of its variance plus eps; times the weight,
// plus the bias, both vectors. The dtype is what all promote to.
array layer_norm(const array& x, const std::optional<array>& weight,
                 const std::optional<array>& bias, float eps, StreamOrDevice s = {});

// Rotary position embedding of x, whose last axes are positions and features: the first `dims`
// features of position p are turned in pairs, pair i by (p + offset) scale base^(-2i / dims), or by
// (p + offset) scale / freqs[i]. Pairs are neighbours if `traditional`, else features i and
// i + dims / 2. The offset is an integer, or one for each index along the first axis.
array rope(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
           int offset, const std::optional<array>& freqs = std::nullopt, StreamOrDevice s = {});
array rope(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
           const array& offset, const std::optional<array>& freqs = std::nullopt,
           StreamOrDevice s = {});

// Kernels in the languages of GPUs. This build has neither Metal nor CUDA: kernels of Metal can be
// made, but calling one, and making or calling one of CUDA, throws std::runtime_error.

using TemplateArg = std::variant<int, bool, Dtype>;
using ScalarArg = std::variant<bool, int, float>;
// Inputs, shapes and dtypes of the outputs, grid, threadgroup, arguments of the template, initial
// value of the outputs, whether to print the source, stream.
using CustomKernelFunction = std::function<std::vector<array>(
    const std::vector<array>&, const std::vector<Shape>&, const std::vector<Dtype>&,
    std::tuple<int, int, int>, std::tuple<int, int, int>,
    std::vector<std::pair<std::string, TemplateArg>>, std::optional<float>, bool, StreamOrDevice)>;
// Of the compiler for Metal; there is none to be told anything.
struct CompileOptions {};

CustomKernelFunction metal_kernel(const std::string& name,
                                  const std::vector<std::string>& input_names,
                                  const std::vector<std::string>& output_names,
                                  const std::string& source, const std::string& header = "",
                                  bool ensure_row_contiguous = true, bool atomic_outputs = false,
                                  const CompileOptions& compile_options = {});
CustomKernelFunction cuda_kernel(const std::string& name,
                                 const std::vector<std::string>& input_names,
                                 const std::vector<std::string>& output_names,
                                 const std::string& source, const std::string& header = "",
                                 bool ensure_row_contiguous = true, int shared_memory = 0);
std::vector<array> precompiled_cuda_kernel(
    const std::string& name, const std::string& compiled_source, const std::vector<array>& inputs,
    const std::vector<Shape>& output_shapes, const std::vector<Dtype>& output_dtypes,
    const std::vector<ScalarArg>& scalars, std::tuple<int, int, int> grid,
    std::tuple<int, int, int> threadgroup, int shared_memory = 0,
    std::optional<float> init_value = std::nullopt, bool ensure_row_contiguous = false,
    StreamOrDevice s = {});

}  // namespace tarn::fast
