#include "tarn/ops/quantized.h"

#include <algorithm>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/index_arguments.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

struct ModeRow {
  QuantizationMode mode;
  const char* name;
  // The default first; zeros fill up.
  int group_sizes[3];
  int bits[6];
};
constexpr ModeRow kModes[] = {
    {QuantizationMode::Affine, "affine", {64, 32, 128}, {4, 2, 3, 5, 6, 8}},
    {QuantizationMode::Mxfp4, "mxfp4", {32}, {4}},
    {QuantizationMode::Mxfp8, "mxfp8", {32}, {8}},
    {QuantizationMode::Nvfp4, "nvfp4", {16}, {4}},
};

const ModeRow& row_of(QuantizationMode mode) { return kModes[int(mode)]; }

template <size_t kN>
int chosen(const int (&choices)[kN], std::optional<int> given, const char* what, const ModeRow& row,
           const char* op) {
  if (!given) return choices[0];
  const bool is_choice = *given > 0 && std::find(choices, choices + kN, *given) != choices + kN;
  check(is_choice, op, "mode {} has no {} {}.", row.name, what, *given);
  return *given;
}

ops::Quantization format_of(const std::string& mode, std::optional<int> group_size,
                            std::optional<int> bits, const char* op) {
  const ModeRow& row = row_of(string_to_quantization_mode(mode, op));
  return {row.mode, chosen(row.group_sizes, group_size, "group size", row, op),
          chosen(row.bits, bits, "number of bits", row, op)};
}

bool is_affine(const ops::Quantization& format) { return format.mode == QuantizationMode::Affine; }

void check_global_scale(const std::optional<array>& scale, const ops::Quantization& format,
                        const char* op) {
  if (!scale) return;
  check(format.mode == QuantizationMode::Nvfp4, op, "mode {} has no global scale.",
        row_of(format.mode).name);
  check(scale->size() == 1 && scale->dtype() == float32, op,
        "wants a float32 scalar as global scale, got {} of shape {}.", scale->dtype(),
        scale->shape());
}

Dtype computed_in(Dtype dtype) { return dtype == float64 ? float32 : dtype; }

// Codes, scales and biases that have been found to fit.
struct Quantized {
  array codes, scales;
  std::optional<array> biases;
  ops::Quantization format;
  Dtype dtype;  // of the scales, as they were given

  std::vector<array> arrays() const {
    return biases ? std::vector{codes, scales, *biases} : std::vector{codes, scales};
  }
};

Quantized checked(const array& w, const array& scales, const std::optional<array>& biases,
                  const ops::Quantization& format, const char* op, StreamOrDevice s) {
  check(w.dtype() == uint32 && w.ndim() >= 2, op,
        "wants uint32 codes with at least two axes, got {} of shape {}.", w.dtype(), w.shape());
  const bool fits =
      scales.ndim() == w.ndim() && without_last(scales.shape(), 1) == without_last(w.shape(), 1) &&
      int64_t{w.shape(-1)} * 32 == int64_t{scales.shape(-1)} * format.group_size * format.bits;
  check(fits, op, "scales of shape {} do not fit codes of shape {} in groups of {} at {} bits.",
        scales.shape(), w.shape(), format.group_size, format.bits);
  const auto dense = [&](const array& a) { return contiguous(a, false, s); };
  if (!is_affine(format)) {
    check(!biases, op, "mode {} has no biases.", row_of(format.mode).name);
    check(scales.dtype() == uint8, op, "scales of mode {} are uint8, not {}.",
          row_of(format.mode).name, scales.dtype());
    return {dense(w), dense(scales), std::nullopt, format, uint8};
  }
  check(biases.has_value(), op, "mode affine wants biases.");
  check(biases->shape() == scales.shape(), op, "biases of shape {} for scales of shape {}.",
        biases->shape(), scales.shape());
  check(issubdtype(scales.dtype(), floating) && issubdtype(biases->dtype(), floating), op,
        "scales and biases must be floating, got {} and {}.", scales.dtype(), biases->dtype());
  const Dtype dtype = computed_in(promote_types(scales.dtype(), biases->dtype()));
  return {dense(w), dense(astype(scales, dtype, s)), dense(astype(*biases, dtype, s)), format,
          scales.dtype()};
}

ShapeElem n_numbers(const Quantized& w, const char* op) {
  return safe_cast(int64_t{w.scales.shape(-1)} * w.format.group_size, op);
}

// What is multiplied, found to fit.
struct Operands {
  array x;
  Quantized w;
  ShapeElem n_columns;  // of the product
  Dtype dtype;          // of the product; that of x is what is computed in
};

Operands checked_operands(const array& x, const array& w, const array& scales,
                          const std::optional<array>& biases, bool transpose,
                          const ops::Quantization& format, const char* op, StreamOrDevice s) {
  check(issubdtype(x.dtype(), floating), op, "is defined for floating dtypes, got {}.", x.dtype());
  const Quantized quantized = checked(w, scales, biases, format, op, s);
  const ShapeElem n = n_numbers(quantized, op);
  const ShapeElem n_rows = transpose ? n : w.shape(-2);
  check(x.ndim() >= 2 && x.shape(-1) == n_rows, op,
        "the last axis of shape {} does not fit a right side of {} rows, codes of shape {}.",
        x.shape(), n_rows, w.shape());
  const Dtype dtype = is_affine(format) ? promote_types(x.dtype(), quantized.dtype) : x.dtype();
  return {contiguous(astype(x, computed_in(dtype), s), false, s), quantized,
          transpose ? w.shape(-2) : n, dtype};
}

// x as it is after it was quantized, in float32, and w as codes. Global scales are left out.
struct BothQuantized {
  array x, w, w_scales;
  Dtype dtype;
  std::optional<array> factor;

  array scaled(const array& product, StreamOrDevice s) const {
    return astype(factor ? multiply(product, *factor, s) : product, dtype, s);
  }
};

BothQuantized quantize_both(const array& x, const array& w, const std::optional<array>& w_scales,
                            const ops::Quantization& format,
                            const std::optional<array>& global_scale_x,
                            const std::optional<array>& global_scale_w, const char* op,
                            StreamOrDevice s) {
  check(!is_affine(format), op, "mode affine quantizes one side only.");
  const auto check_numbers = [&](const array& a) {
    check(issubdtype(a.dtype(), floating), op, "is defined for floating dtypes, got {}.",
          a.dtype());
    check(a.ndim() >= 2 && a.shape(-1) % format.group_size == 0, op,
          "wants matrices and whole groups of {}, got shape {}.", format.group_size, a.shape());
  };
  check_numbers(x);
  check(global_scale_x.has_value() == global_scale_w.has_value(), op,
        "wants both global scales or neither.");
  check_global_scale(global_scale_x, format, op);
  check_global_scale(global_scale_w, format, op);
  const bool is_packed = w.dtype() == uint32;
  check(is_packed == w_scales.has_value(), op,
        "wants scales with codes as w, and only then; w is {}.", w.dtype());
  if (!is_packed) check_numbers(w);
  const ShapeElem depth =
      is_packed ? n_numbers(checked(w, *w_scales, std::nullopt, format, op, s), op) : w.shape(-1);
  check(x.shape(-1) == depth, op, "multiplies rows, but those of shape {} have not {} numbers.",
        x.shape(), depth);
  const std::string mode = row_of(format.mode).name;
  const auto quantized = [&](const array& a, const std::optional<array>& global_scale) {
    return quantize(a, std::nullopt, std::nullopt, mode, global_scale, s);
  };
  std::vector<array> codes_x = quantized(x, global_scale_x);
  std::vector<array> codes_w = is_packed ? std::vector{w, *w_scales} : quantized(w, global_scale_w);
  BothQuantized both{dequantize(codes_x[0], codes_x[1], std::nullopt, std::nullopt, std::nullopt,
                                mode, std::nullopt, float32, s),
                     codes_w[0], codes_w[1], x.dtype(), std::nullopt};
  if (global_scale_x) {
    const array scales =
        multiply(reshape(*global_scale_x, {}, s), reshape(*global_scale_w, {}, s), s);
    both.factor = multiply(scales, array(1 / (kNvfp4Range * kNvfp4Range)), s);
  }
  return both;
}

}  // namespace

std::string quantization_mode_to_string(QuantizationMode mode) { return row_of(mode).name; }

QuantizationMode string_to_quantization_mode(const std::string& mode, std::string_view error_tag) {
  for (const ModeRow& row : kModes) {
    if (mode == row.name) return row.mode;
  }
  check(false, error_tag.empty() ? "quantization" : error_tag,
        "the mode must be affine, mxfp4, mxfp8 or nvfp4, not \"{}\".", mode);
  __builtin_unreachable();
}

std::vector<array> quantize(const array& w, std::optional<int> group_size, std::optional<int> bits,
                            const std::string& mode, const std::optional<array>& global_scale,
                            StreamOrDevice s) {
  const ops::Quantization format = format_of(mode, group_size, bits, "quantize");
  check(issubdtype(w.dtype(), floating), "quantize", "is defined for floating dtypes, got {}.",
        w.dtype());
  check(w.ndim() >= 2 && w.shape(-1) % format.group_size == 0, "quantize",
        "wants at least two axes and whole groups of {}, got shape {}.", format.group_size,
        w.shape());
  check_global_scale(global_scale, format, "quantize");
  Shape codes = w.shape(), scales = w.shape();
  codes.back() = scales.back() / format.group_size * (format.group_size * format.bits / 32);
  scales.back() /= format.group_size;
  const Dtype dtype = computed_in(w.dtype());
  std::vector<NodeOutput> outputs;
  outputs.push_back({std::move(codes), uint32});
  outputs.push_back({scales, is_affine(format) ? dtype : uint8});
  if (is_affine(format)) outputs.push_back({scales, dtype});
  std::vector<array> inputs{contiguous(astype(w, dtype, s), false, s)};
  if (global_scale) inputs.push_back(*global_scale);
  std::vector<array> result = make_node(Op(kKernelClass<ops::Quantize>, ops::Quantize{format}),
                                        to_stream(s), std::move(outputs), inputs);
  if (is_affine(format)) {
    for (size_t i = 1; i < result.size(); ++i) result[i] = astype(result[i], w.dtype(), s);
  }
  return result;
}

array dequantize(const array& w, const array& scales, const std::optional<array>& biases,
                 std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                 const std::optional<array>& global_scale, std::optional<Dtype> dtype,
                 StreamOrDevice s) {
  const ops::Quantization format = format_of(mode, group_size, bits, "dequantize");
  const Quantized quantized = checked(w, scales, biases, format, "dequantize", s);
  check_global_scale(global_scale, format, "dequantize");
  const Dtype result = dtype.value_or(is_affine(format) ? quantized.dtype : bfloat16);
  check(issubdtype(result, floating), "dequantize", "gives floating dtypes, not {}.", result);
  Shape shape = w.shape();
  shape.back() = n_numbers(quantized, "dequantize");
  std::vector<array> inputs = quantized.arrays();
  if (global_scale) inputs.push_back(*global_scale);
  array numbers = make_node(
      Op(kKernelClass<ops::Dequantize>, ops::Dequantize{format, global_scale.has_value()}),
      to_stream(s), std::move(shape), computed_in(result), inputs);
  return astype(numbers, result, s);
}

array quantized_matmul(const array& x, const array& w, const array& scales,
                       const std::optional<array>& biases, bool transpose,
                       std::optional<int> group_size, std::optional<int> bits,
                       const std::string& mode, StreamOrDevice s) {
  const char* op = "quantized_matmul";
  if (x.ndim() == 1) {
    array row = expand_dims(x, 0, s);
    array product = quantized_matmul(row, w, scales, biases, transpose, group_size, bits, mode, s);
    return squeeze(product, -2, s);
  }
  const Operands operands = checked_operands(x, w, scales, biases, transpose,
                                             format_of(mode, group_size, bits, op), op, s);
  Op product(kKernelClass<ops::QuantizedMatmul>,
             ops::QuantizedMatmul{operands.w.format, transpose});
  array left = operands.x;
  std::vector<array> inputs = operands.w.arrays();
  Shape batch = without_last(x.shape(), 2);
  if (w.ndim() == 2) {
    // A batch that meets one matrix is a taller matrix.
    const int64_t n_rows = size_of_shape(without_last(x.shape(), 1));
    left = reshape(left, {safe_cast(n_rows, op), x.shape(-1)}, s);
  } else {
    batch = broadcast_shapes(batch, without_last(w.shape(), 2));
    left = with_batch(left, batch, s);
    for (array& input : inputs) input = with_batch(input, batch, s);
  }
  Shape shape = without_last(left.shape(), 1);
  shape.push_back(operands.n_columns);
  inputs.insert(inputs.begin(), left);
  array result =
      make_node(std::move(product), to_stream(s), std::move(shape), left.dtype(), inputs);
  batch.push_back(x.shape(-2));
  batch.push_back(operands.n_columns);
  return astype(reshape(result, std::move(batch), s), operands.dtype, s);
}

array gather_qmm(const array& x, const array& w, const array& scales,
                 const std::optional<array>& biases, std::optional<array> lhs_indices,
                 std::optional<array> rhs_indices, bool transpose, std::optional<int> group_size,
                 std::optional<int> bits, const std::string& mode, bool, StreamOrDevice s) {
  if (!lhs_indices && !rhs_indices) {
    return quantized_matmul(x, w, scales, biases, transpose, group_size, bits, mode, s);
  }
  const char* op = "gather_qmm";
  const Operands operands = checked_operands(x, w, scales, biases, transpose,
                                             format_of(mode, group_size, bits, op), op, s);
  array left = matrix_indices(lhs_indices, x, op, s), right = matrix_indices(rhs_indices, w, op, s);
  Shape shape = broadcast_shapes(left.shape(), right.shape());
  std::vector<array> inputs = operands.w.arrays();
  inputs.insert(inputs.begin(), operands.x);
  inputs.push_back(broadcast_to(left, shape, s));
  inputs.push_back(broadcast_to(right, shape, s));
  shape.push_back(x.shape(-2));
  shape.push_back(operands.n_columns);
  array result = make_node(Op(kKernelClass<ops::GatherQuantizedMatmul>,
                              ops::GatherQuantizedMatmul{operands.w.format, transpose}),
                           to_stream(s), std::move(shape), operands.x.dtype(), inputs);
  return astype(result, operands.dtype, s);
}

array qqmm(const array& x, const array& w, const std::optional<array>& w_scales,
           std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
           const std::optional<array>& global_scale_x, const std::optional<array>& global_scale_w,
           StreamOrDevice s) {
  check(x.ndim() == 2 && w.ndim() == 2, "qqmm", "wants two matrices, got shapes {} and {}.",
        x.shape(), w.shape());
  const BothQuantized both =
      quantize_both(x, w, w_scales, format_of(mode, group_size, bits, "qqmm"), global_scale_x,
                    global_scale_w, "qqmm", s);
  array product = quantized_matmul(both.x, both.w, both.w_scales, std::nullopt, true, std::nullopt,
                                   std::nullopt, mode, s);
  return both.scaled(product, s);
}

array gather_qqmm(const array& x, const array& w, const std::optional<array>& scales_w,
                  const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                  std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                  const std::optional<array>& global_scale_x,
                  const std::optional<array>& global_scale_w, bool sorted_indices,
                  StreamOrDevice s) {
  const BothQuantized both =
      quantize_both(x, w, scales_w, format_of(mode, group_size, bits, "gather_qqmm"),
                    global_scale_x, global_scale_w, "gather_qqmm", s);
  array product = gather_qmm(both.x, both.w, both.w_scales, std::nullopt, lhs_indices, rhs_indices,
                             true, std::nullopt, std::nullopt, mode, sorted_indices, s);
  return both.scaled(product, s);
}

}  // namespace tarn
