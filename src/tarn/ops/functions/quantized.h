// Arrays kept as codes of a few bits with a scale for each group along the last axis, and products
// with them.
//
//   mode     group sizes (default)  bits (default)        scales
//   affine   32, 64, 128 (64)       2, 3, 4, 5, 6, 8 (4)  and biases: as the numbers
//   mxfp4    32                     4 (E2M1)              uint8: powers of two (E8M0)
//   mxfp8    32                     8 (E4M3)              uint8: powers of two (E8M0)
//   nvfp4    16                     4 (E2M1)              uint8: 8-bit floats (E4M3)
//
// Codes are a stream of bits, the lowest first, in uint32. A mode, group size or number of bits
// that is not in the table, and shapes and dtypes that do not fit, are std::invalid_argument.
// float64 is computed in float32.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/ops/quantized.h"
#include "tarn/runtime/streams.h"

namespace tarn {

std::string quantization_mode_to_string(QuantizationMode mode);
// Throws std::invalid_argument, with the tag in front of the text.
QuantizationMode string_to_quantization_mode(const std::string& mode,
                                             std::string_view error_tag = "");

// Codes, scales, and in mode affine biases. `w` is floating, with at least two axes. global_scale,
// of mode nvfp4, is a float32: the largest magnitude of all, by which scales become the finer.
std::vector<array> quantize(const array& w, std::optional<int> group_size = std::nullopt,
                            std::optional<int> bits = std::nullopt,
                            const std::string& mode = "affine",
                            const std::optional<array>& global_scale = std::nullopt,
                            StreamOrDevice s = {});
// The numbers, in the dtype that is given: else in that of the scales in mode affine, and in
// bfloat16 in the others.
array dequantize(const array& w, const array& scales,
                 const std::optional<array>& biases = std::nullopt,
                 std::optional<int> group_size = std::nullopt,
                 std::optional<int> bits = std::nullopt, const std::string& mode = "affine",
                 const std::optional<array>& global_scale = std::nullopt,
                 std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});

// x times the numbers of w, or their transpose, as matmul gives it: the dtype that x and scales
// promote to in mode affine, else that of x. An x with infinities may give NaN where the numbers of
// w would give infinities: sums of codes and of biases are kept apart. Of fewer than four rows and
// codes of 2 or 4 bits, elements of x are rounded to 2^-14 (bfloat16) or 2^-22 of their largest
// neighbour.
array quantized_matmul(const array& x, const array& w, const array& scales,
                       const std::optional<array>& biases = std::nullopt, bool transpose = true,
                       std::optional<int> group_size = std::nullopt,
                       std::optional<int> bits = std::nullopt, const std::string& mode = "affine",
                       StreamOrDevice s = {});
// The same of matrices that indices pick, as in gather_mm.
array gather_qmm(const array& x, const array& w, const array& scales,
                 const std::optional<array>& biases = std::nullopt,
                 std::optional<array> lhs_indices = std::nullopt,
                 std::optional<array> rhs_indices = std::nullopt, bool transpose = true,
                 std::optional<int> group_size = std::nullopt,
                 std::optional<int> bits = std::nullopt, const std::string& mode = "affine",
                 bool sorted_indices = false, StreamOrDevice s = {});

// x times the transpose of w, both quantized, in the dtype of x. w is codes, with their scales, or
// floating and is then quantized, too. Any mode but affine; x is a matrix in qqmm. global scales,
// of mode nvfp4, are those of quantize: both or neither.
array qqmm(const array& x, const array& w, const std::optional<array>& w_scales = std::nullopt,
           std::optional<int> group_size = std::nullopt, std::optional<int> bits = std::nullopt,
           const std::string& mode = "nvfp4",
           const std::optional<array>& global_scale_x = std::nullopt,
           const std::optional<array>& global_scale_w = std::nullopt, StreamOrDevice s = {});
array gather_qqmm(const array& x, const array& w,
                  const std::optional<array>& scales_w = std::nullopt,
                  const std::optional<array>& lhs_indices = std::nullopt,
                  const std::optional<array>& rhs_indices = std::nullopt,
                  std::optional<int> group_size = std::nullopt,
                  std::optional<int> bits = std::nullopt, const std::string& mode = "nvfp4",
                  const std::optional<array>& global_scale_x = std::nullopt,
                  const std::optional<array>& global_scale_w = std::nullopt,
                  bool sorted_indices = false, StreamOrDevice s = {});

}  // namespace tarn
