#include "tarn/kernels/cpu/tensor_stats.h"

#include <cstring>
#include <vector>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/tensor_stats_kernels.h"

TARN_DECLARE_ISA_FUNCTION(add_tensor_stats, TensorStatsKernels)

namespace tarn::cpu {

namespace {

StatsAdder adder_of(NumberFormat format, Dtype dtype) {
  const TensorStatsKernels& kernels = tensor_stats_kernels();
  return format == NumberFormat::of_dtype ? kernels.of_dtype[int(dtype.val())]
                                          : kernels.of_format[int(format)];
}

}  // namespace

const TensorStatsKernels& tensor_stats_kernels() {
  static const TensorStatsKernels chosen = [] {
    TensorStatsKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_tensor_stats, made);
    return made;
  }();
  return chosen;
}

void tensor_stats(NumberFormat format, const View& in, const View& out) {
  const bool is_complex = in.dtype == complex64;
  const Dtype number = is_complex ? float32 : in.dtype;
  const int64_t size = is_complex ? 2 * in.size : in.size;
  const StatsAdder add = adder_of(format, number);
  const auto* bytes = static_cast<const char*>(in.data);

  // Every range has its own statistics, added up in order: threads must not change a bit.
  constexpr int64_t kRange = 1 << 16;
  std::vector<TensorStats> ranges(size_t((size + kRange - 1) / kRange));
  parallel_ranges(size, kRange, [&](RangeQueue& queue) {
    for (auto range = queue.next(); range.begin != range.end; range = queue.next()) {
      add(ranges[size_t(range.begin / kRange)], bytes + range.begin * number.size(),
          size_t(range.end - range.begin));
    }
  });
  TensorStats total;
  for (const TensorStats& range : ranges) total.add(range);
  std::memcpy(out.data, &total, sizeof(total));
}

}  // namespace tarn::cpu
