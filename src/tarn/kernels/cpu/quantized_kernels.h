// The inner loops of quantized arrays, one table per instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/ops/quantized.h"

namespace tarn::cpu {

// What codes stand for. uN is N bits of an unsigned integer.
enum class CodeKind : uint8_t { u2, u3, u4, u5, u6, u8, float4, float8 };
inline constexpr int kCodeKinds = 8;

CodeKind code_kind(const ops::Quantization& format);
constexpr int bits_of(CodeKind kind) {
  constexpr int kBits[kCodeKinds] = {2, 3, 4, 5, 6, 8, 4, 8};
  return kBits[static_cast<int>(kind)];
}
constexpr bool is_affine(CodeKind kind) { return kind < CodeKind::float4; }

// How scales, and biases, are kept.
enum class ScaleKind : uint8_t { float32, float16, bfloat16, power_of_two8, float8 };

// Of scales of the dtype. Requires: of the affine mode one of the floating dtypes in the list.
ScaleKind scale_kind(const ops::Quantization& format, Dtype dtype);
constexpr int size_of(ScaleKind kind) {
  constexpr int kSizes[] = {4, 2, 2, 1, 1};
  return kSizes[static_cast<int>(kind)];
}

// At most so many groups that follow each other are quantized, or brought back, in one call.
inline constexpr int64_t kBlockGroups = 64;

struct QuantizeBlock {
  const void* w;
  void* codes;
  void* scales;
  void* biases;  // of affine codes
  ScaleKind scale_kind;
  float factor;  // scales are stored times this
  int64_t group_size, n_groups;
};

// Bytes that are read past the codes of a block.
inline constexpr int64_t kCodesOverread = 16;

struct DequantizeBlock {
  const void* codes;
  const void* scales;
  const void* biases;
  ScaleKind scale_kind;
  float factor;  // of all scales
  int64_t group_size, n_groups;
  void* to;
};

// So many codes of a row are multiplied at once, at most.
inline constexpr int64_t kDotDepth = 4096;

// Rows of x that share what is unpacked.
inline constexpr int kDotXRows = 4;

// Groups whose sums of x are read at once.
inline constexpr int64_t kSumsAtOnce = 16;

inline constexpr int64_t kMaxDotStep = 256;
constexpr int64_t padded_x(int64_t n) { return (n + kMaxDotStep - 1) / kMaxDotStep * kMaxDotStep; }
constexpr int64_t padded_sums(int64_t n, int64_t group_size) {
  return (n / group_size + kSumsAtOnce - 1) / kSumsAtOnce * kSumsAtOnce;
}

// Whether products with the codes may be sums of integers: see isa/quantized_dot.cpp.
constexpr bool has_digits(CodeKind kind) { return kind == CodeKind::u2 || kind == CodeKind::u4; }

// How many digits represent an element of x in such a product of m rows, 0 if it goes by floats.
constexpr int digits_of(CodeKind kind, int64_t m, Dtype x) {
  if (!has_digits(kind) || m >= kDotXRows) return 0;
  return x == bfloat16 ? 2 : 3;
}

// y[i * y_row + j] (+)= row i of x · row j of w. Rows of x are in the form that `arrange` makes.
// Codes, scales, biases and sums are those from element `begin` of the rows on, x is that of all.
// Requires: `begin` is a multiple of kMaxDotStep and of kSumsAtOnce groups.
struct QuantizedDot {
  const std::byte* codes;
  const std::byte* scales;
  const std::byte* biases;        // of affine codes
  int64_t codes_row, scales_row;  // bytes from row to row
  ScaleKind scale_kind;
  int64_t group_size, n_codes, n_rows;  // of w; n_codes <= kDotDepth
  const float* x;                       // aligned to 64 bytes
  const float* x_sums;                  // of the groups
  int64_t x_row, x_sums_row, m;
  int64_t begin;
  int n_digits;  // what x was arranged for
  float* y;
  int64_t y_row;
  bool add;
};

// The functions allocate nothing and run on the calling thread.
struct QuantizedKernels {
  // By the dtype of the numbers: float32, float16, bfloat16.
  void (*quantize[kCodeKinds][kDtypeCount])(const QuantizeBlock& block);
  void (*dequantize[kCodeKinds][kDtypeCount])(const DequantizeBlock& block);
  // Puts row `row` of the m rows of x, n elements with zeros behind them up to padded_x(n), to its
  // places among all rows, as `dot` wants them; and its sums over groups, with zeros up to
  // padded_sums(n), to those of all rows if the codes are affine. Requires: `to` is aligned to 64
  // bytes.
  void (*arrange[kCodeKinds])(const float* x, int64_t n, int64_t group_size, int n_digits,
                              int64_t row, int64_t m, float* to, float* sums);
  void (*dot[kCodeKinds])(const QuantizedDot& dot);
};

// Those of the instruction set that kernels() has chosen.
const QuantizedKernels& quantized_kernels();

// Those of the instruction set `isa`, which is named as in TARN_ISA.
QuantizedKernels quantized_kernels(const char* isa);

}  // namespace tarn::cpu
