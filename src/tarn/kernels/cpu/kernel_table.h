// The loops of the CPU backend, one table per instruction set; the widest that this CPU has is
// chosen at the first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/ops/elementwise_op.h"

namespace tarn::cpu {

// out[i] = f(a[i], b[i], c[i]) for i < n; operands that the operation does not take are ignored.
// Reads and writes exactly those elements. `out` may be an operand whose elements have the same
// size; else it overlaps none.
using TileKernel = void (*)(void* out, const void* a, const void* b, const void* c, size_t n);

struct KernelTable {
  const char* isa;  // as in TARN_ISA

  // By the dtype computed in; null where the operation is not defined. cast: [from][to], null on
  // the diagonal.
  TileKernel elementwise[kElementwiseOpCount][kDtypeCount];
  TileKernel cast[kDtypeCount][kDtypeCount];
};

// The table that this process uses. Throws std::runtime_error if the CPU has none of the
// instruction sets.
const KernelTable& kernels();

// All tables that this CPU can run, widest first.
std::span<const KernelTable* const> runnable_kernels();

}  // namespace tarn::cpu
