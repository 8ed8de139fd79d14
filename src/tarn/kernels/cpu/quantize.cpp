#include "tarn/kernels/cpu/quantize.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/quantized_kernels.h"

namespace tarn::cpu {

namespace {

// Blocks that a thread takes at once: tens of microseconds of work.
constexpr int64_t kBlocksPerRange = 8;

int64_t code_bytes(const ops::Quantization& format, int64_t n_groups) {
  return n_groups * format.group_size * format.bits / 8;
}

// Calls f(first group, number of groups) for blocks of all, on several threads.
template <class F>
void for_each_block(int64_t n_groups, F f) {
  const int64_t n_blocks = (n_groups + kBlockGroups - 1) / kBlockGroups;
  parallel_ranges(n_blocks, kBlocksPerRange, [&](RangeQueue& queue) {
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t block = range.begin; block < range.end; ++block) {
        const int64_t first = block * kBlockGroups;
        f(first, std::min(kBlockGroups, n_groups - first));
      }
    }
  });
}

}  // namespace

void quantize(const ops::Quantization& format, const View& w, const View* global_scale,
              const View& codes, const View& scales, const View* biases) {
  const auto kernel =
      quantized_kernels()
          .quantize[static_cast<int>(code_kind(format))][static_cast<int>(w.dtype.val())];
  assert(kernel != nullptr);
  const ScaleKind kind = scale_kind(format, scales.dtype);
  const float factor = global_scale == nullptr ? 1 : kNvfp4Range / *global_scale->as<const float>();
  for_each_block(scales.size, [&](int64_t first, int64_t n) {
    kernel({w.as<std::byte>() + first * format.group_size * w.itemsize(),
            codes.as<std::byte>() + code_bytes(format, first),
            scales.as<std::byte>() + first * scales.itemsize(),
            biases == nullptr ? nullptr : biases->as<std::byte>() + first * biases->itemsize(),
            kind, factor, format.group_size, n});
  });
}

void dequantize(const ops::Quantization& format, const View& codes, const View& scales,
                const View* biases, const View* global_scale, const View& to) {
  const auto at = [&](const View& view, int64_t group) {
    return view.as<std::byte>() + group * view.itemsize();
  };
  const float factor = global_scale == nullptr ? 1 : *global_scale->as<const float>() / kNvfp4Range;
  for_each_block(scales.size, [&](int64_t first, int64_t n) {
    const GroupRun run{codes.as<std::byte>() + code_bytes(format, first),
                       at(scales, first),
                       biases == nullptr ? nullptr : at(*biases, first),
                       codes.as<std::byte>() + codes.nbytes(),
                       scales.dtype,
                       factor,
                       n};
    dequantize_run(format, run, to.dtype,
                   to.as<std::byte>() + first * format.group_size * to.itemsize());
  });
}

void dequantize_run(const ops::Quantization& format, const GroupRun& run, Dtype dtype, void* to) {
  const auto kernel =
      quantized_kernels()
          .dequantize[static_cast<int>(code_kind(format))][static_cast<int>(dtype.val())];
  assert(kernel != nullptr);
  const ScaleKind kind = scale_kind(format, run.scales_dtype);
  for (int64_t first = 0; first < run.n_groups; first += kBlockGroups) {
    const int64_t n = std::min(kBlockGroups, run.n_groups - first);
    const std::byte* codes = run.codes + code_bytes(format, first);
    const int64_t nbytes = code_bytes(format, n);
    // The last codes in memory, with bytes behind them that may be read.
    std::byte last[kBlockGroups * 128 + kCodesOverread];
    if (run.codes_end - codes < nbytes + kCodesOverread) {
      std::memcpy(last, codes, static_cast<size_t>(nbytes));
      codes = last;
    }
    kernel({codes, run.scales + first * size_of(kind),
            run.biases == nullptr ? nullptr : run.biases + first * size_of(kind), kind, run.factor,
            format.group_size, n,
            static_cast<std::byte*>(to) + first * format.group_size * dtype.size()});
  }
}

}  // namespace tarn::cpu
