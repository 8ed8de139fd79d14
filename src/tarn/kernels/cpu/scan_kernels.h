// The inner loops of scans, one table per instruction set.
#pragma once

#include <cstddef>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/ops/scan.h"

namespace tarn::cpu {

// Scans n adjacent elements that follow those which `carry` sums up (in reverse: that precede
// them), and updates the carry. `out` may be `x`. `stream`: with stores that bypass the caches, see
// TileKernel, where the function has such; `out` begins and ends at multiples of kStreamAlignment
// then.
using ScanRun = void (*)(void* carry, const void* x, void* out, size_t n, ScanOrder order,
                         bool stream);

// One step of n neighbouring scans, each with a carry of its own. `out` may be `x`. `next`: what
// will be x in the next step, which is fetched meanwhile. `stream` as above, but `out` only begins
// at such a multiple.
using ScanColumns = void (*)(void* carries, const void* x, void* out, const void* next, size_t n,
                             bool inclusive, bool stream);

struct ScanKernels {
  // Of float and double, by operation; the carry of cumprod and cumsum is a double, that of cummax
  // and cummin an element. Every instruction set gives the same bits. Null for logcumsumexp.
  ScanRun run[kScanOpCount][kDtypeCount];
  ScanColumns columns[kScanOpCount][kDtypeCount];

  // What a sum of exponentials relative to the largest element so far needs: with `largest[i]` that
  // element and `largest_before[i]` the one before it, scale[i] is what the sum so far has to be
  // multiplied by, term[i] what is to be added. Arrays are padded to a multiple of 64 bytes.
  void (*log_terms)(const double* largest_before, const double* largest, const double* x,
                    double* scale, double* term, size_t n);
  // The logarithms of such sums.
  void (*log_sums)(const double* largest, const double* sum, double* out, size_t n);
};

// Those of the instruction set that kernels() has chosen.
const ScanKernels& scan_kernels();

// Those of all instruction sets that this CPU can run, widest first.
std::span<const ScanKernels> runnable_scan_kernels();

}  // namespace tarn::cpu
