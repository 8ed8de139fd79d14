// Numbers kept as codes of a few bits, in groups that share a scale.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn {

// What codes and scales are. Affine: integers, each scale times the code plus a bias. The others:
// 4-bit floats (E2M1) or 8-bit ones (E4M3), scaled by a power of two (Mx…) or by an 8-bit float.
enum class QuantizationMode { Affine, Mxfp4, Mxfp8, Nvfp4 };

// The largest that a code times its scale can be in mode Nvfp4. A global scale is the magnitude
// that this stands for.
inline constexpr float kNvfp4Range = 448 * 6;

namespace ops {

struct Quantization {
  QuantizationMode mode;
  int group_size;  // along the last axis
  int bits;        // of a code
};

// Inputs: w, and perhaps the scale of all. Outputs: codes as uint32, scales, and of the affine mode
// biases.
struct Quantize {
  static constexpr OpInfo info{"quantize",
                               "w, group_size=None, bits=None, mode=\"affine\", global_scale=None",
                               "Codes of a few bits, and a scale for each group of them."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  Quantization format;
};

// Inputs: codes, scales, of the affine mode biases, and perhaps the scale of all.
struct Dequantize {
  static constexpr OpInfo info{
      "dequantize", "w, scales, biases=None, group_size=None, bits=None, mode=\"affine\"",
      "The numbers that codes and scales stand for."};
  static constexpr DtypeKinds accepts = kUnsignedKind;

  Quantization format;
  bool has_global_scale;
};

// Inputs: x, codes, scales, and of the affine mode biases.
struct QuantizedMatmul {
  static constexpr OpInfo info{
      "quantized_matmul",
      "x, w, scales, biases=None, transpose=True, group_size=None, bits=None, mode=\"affine\"",
      "Products of matrices with quantized ones."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  Quantization format;
  bool transpose;  // rows of w are columns of the right side
};

// The same, and int64 indices of the matrices of x and w behind.
struct GatherQuantizedMatmul {
  static constexpr OpInfo info{
      "gather_qmm", "x, w, scales, biases=None, lhs_indices=None, rhs_indices=None, transpose=True",
      "Products of matrices with quantized ones that indices pick."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  Quantization format;
  bool transpose;
};

}  // namespace ops
}  // namespace tarn
