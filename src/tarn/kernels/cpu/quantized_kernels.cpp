#include "tarn/kernels/cpu/quantized_kernels.h"

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"

TARN_DECLARE_ISA_FUNCTION(add_quantizers, QuantizedKernels)
TARN_DECLARE_ISA_FUNCTION(add_dequantizers, QuantizedKernels)
TARN_DECLARE_ISA_FUNCTION(add_quantized_dots, QuantizedKernels)

namespace tarn::cpu {

CodeKind code_kind(const ops::Quantization& format) {
  switch (format.mode) {
    case QuantizationMode::Mxfp4:
    case QuantizationMode::Nvfp4:
      return CodeKind::float4;
    case QuantizationMode::Mxfp8:
      return CodeKind::float8;
    case QuantizationMode::Affine:
      break;
  }
  int kind = 0;
  while (bits_of(CodeKind(kind)) != format.bits) ++kind;
  return CodeKind(kind);
}

ScaleKind scale_kind(const ops::Quantization& format, Dtype dtype) {
  if (format.mode == QuantizationMode::Nvfp4) return ScaleKind::float8;
  if (format.mode != QuantizationMode::Affine) return ScaleKind::power_of_two8;
  if (dtype == float32) return ScaleKind::float32;
  return dtype == float16 ? ScaleKind::float16 : ScaleKind::bfloat16;
}

QuantizedKernels quantized_kernels(const char* isa) {
  QuantizedKernels made{};
  TARN_CALL_ISA_FUNCTION(isa, add_quantizers, made);
  TARN_CALL_ISA_FUNCTION(isa, add_dequantizers, made);
  TARN_CALL_ISA_FUNCTION(isa, add_quantized_dots, made);
  return made;
}

const QuantizedKernels& quantized_kernels() {
  static const QuantizedKernels chosen = quantized_kernels(kernels().isa);
  return chosen;
}

}  // namespace tarn::cpu
