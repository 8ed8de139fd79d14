#include "tarn/ops/tensor_stats.h"

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

array tensor_stats(const array& a, NumberFormat format, StreamOrDevice s) {
  check(format == NumberFormat::of_dtype || a.dtype() == uint8, "tensor_stats",
        "floats of 8 bits and less are kept as uint8, not as {}.", a.dtype());
  const Stream stream = to_stream(s);
  return make_node(Op(kKernelClass<ops::TensorStats>, ops::TensorStats{format}), stream,
                   Shape{kTensorStatsSize}, float64, contiguous(a, false, stream));
}

}  // namespace tarn
