#include "tarn/ops/hadamard.h"

#include <cmath>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

array hadamard_transform(const array& a, std::optional<float> scale, StreamOrDevice s) {
  const char* const op = "hadamard_transform";
  check(a.ndim() > 0 && a.size() > 0, op, "wants rows with elements, got shape {}.", a.shape());
  const int n = a.shape(-1);
  check(ops::hadamard_factor(n) != 0, op,
        "wants rows of m 2^k elements, m being 1, 12, 20 or 28, got shape {}.", a.shape());
  const float factor = scale.value_or(float(1 / std::sqrt(double(n))));
  Stream stream = to_stream(s);
  Dtype dtype = issubdtype(a.dtype(), floating) ? a.dtype() : float32;
  return make_node(Op(kKernelClass<ops::Hadamard>, ops::Hadamard{factor}), stream, a.shape(), dtype,
                   astype(a, dtype, stream));
}

}  // namespace tarn
