// The list of operations that backends have kernels for. A struct's position is its index in kernel
// tables.
#pragma once

#include "tarn/ops/attention.h"
#include "tarn/ops/conv.h"
#include "tarn/ops/creation.h"
#include "tarn/ops/fast.h"
#include "tarn/ops/fft.h"
#include "tarn/ops/hadamard.h"
#include "tarn/ops/indexing.h"
#include "tarn/ops/linalg.h"
#include "tarn/ops/matmul.h"
#include "tarn/ops/op.h"
#include "tarn/ops/pad.h"
#include "tarn/ops/quantized.h"
#include "tarn/ops/random.h"
#include "tarn/ops/reduce.h"
#include "tarn/ops/scan.h"
#include "tarn/ops/scatter.h"
#include "tarn/ops/softmax.h"
#include "tarn/ops/sort.h"
#include "tarn/ops/tensor_stats.h"
#include "tarn/ops/var.h"

#define TARN_KERNEL_OPS(X) \
  X(Arange)                \
  X(ArgReduce)             \
  X(ArgSort)               \
  X(Attention)             \
  X(Cholesky)              \
  X(Concatenate)           \
  X(Convolution)           \
  X(Dequantize)            \
  X(Determinant)           \
  X(DynamicSlice)          \
  X(DynamicSliceUpdate)    \
  X(Eig)                   \
  X(Eigh)                  \
  X(Eye)                   \
  X(Fft)                   \
  X(Gather)                \
  X(GatherMatmul)          \
  X(GatherQuantizedMatmul) \
  X(Hadamard)              \
  X(Inverse)               \
  X(LayerNorm)             \
  X(LogDeterminant)        \
  X(Lu)                    \
  X(LuFactor)              \
  X(MaskedScatter)         \
  X(Matmul)                \
  X(Pad)                   \
  X(Qr)                    \
  X(Quantize)              \
  X(QuantizedMatmul)       \
  X(RandomBits)            \
  X(RandomUniform)         \
  X(Reduce)                \
  X(RmsNorm)               \
  X(Rope)                  \
  X(Scan)                  \
  X(Scatter)               \
  X(ScatterAxis)           \
  X(SearchSorted)          \
  X(SegmentedMatmul)       \
  X(SliceUpdate)           \
  X(Softmax)               \
  X(Solve)                 \
  X(SolveTriangular)       \
  X(Sort)                  \
  X(Svd)                   \
  X(Take)                  \
  X(TakeAlongAxis)         \
  X(TensorStats)           \
  X(TopK)                  \
  X(TriangularInverse)     \
  X(Var)

namespace tarn {

enum class KernelOp : int {
#define TARN_ENUMERATOR(Type) Type,
  TARN_KERNEL_OPS(TARN_ENUMERATOR)
#undef TARN_ENUMERATOR
};
inline constexpr int kKernelOpCount = 0
#define TARN_COUNT(Type) +1
    TARN_KERNEL_OPS(TARN_COUNT)
#undef TARN_COUNT
    ;

template <class T>
inline constexpr KernelOp kKernelOp = T::is_not_in_the_list_of_kernel_operations;
#define TARN_ENUMERATOR_OF(Type) \
  template <>                    \
  inline constexpr KernelOp kKernelOp<ops::Type> = KernelOp::Type;
TARN_KERNEL_OPS(TARN_ENUMERATOR_OF)
#undef TARN_ENUMERATOR_OF

template <class T>
concept OverwritesInput = requires {
  T::kMayOverwriteInput;
};
template <class T>
concept ReadsProgram = requires {
  T::kReadsProgram;
};

// The class of an operation in the list.
template <class T>
inline constexpr OpClass kKernelClass{.info = T::info,
                                      .family = OpFamily::kernel,
                                      .index = int(kKernelOp<T>),
                                      .may_overwrite_input = OverwritesInput<T>,
                                      .reads_program = ReadsProgram<T>};

}  // namespace tarn
