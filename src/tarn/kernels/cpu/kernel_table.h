// The loops of the CPU backend, one table per instruction set; the widest that this CPU has is
// chosen at the first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/ops/elementwise_op.h"

namespace tarn::cpu {

// Where a table has what is for `dtype`.
constexpr int index_of(Dtype dtype) { return static_cast<int>(dtype.val()); }

inline constexpr size_t kStreamAlignment = 64;  // a cache line
inline bool is_stream_aligned(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % kStreamAlignment == 0;
}

// out[i] = f(a[i], b[i], c[i]) for i < n; operands that the operation does not take are ignored.
// Reads and writes exactly those elements. `out` may be an operand whose elements have the same
// size; else it overlaps none.
struct TileKernel {
  using Loop = void(void* out, const void* a, const void* b, const void* c, size_t n, bool stream);

  Loop* loop = nullptr;
  bool can_stream = false;

  void operator()(void* out, const void* a, const void* b, const void* c, size_t n) const {
    loop(out, a, b, c, n, false);
  }
  // With stores that bypass the caches: other threads may see them late unless stream_fence()
  // follows. Requires: can_stream, and `out` is aligned to kStreamAlignment.
  void stream(void* out, const void* a, const void* b, const void* c, size_t n) const {
    loop(out, a, b, c, n, true);
  }

  explicit operator bool() const { return loop != nullptr; }
};

// *accumulator = the accumulator combined with all n elements, floating-point ones after every
// BlockReader::kBlock. The accumulator of a sum or product of floats is a double; every other has
// the type of the elements.
using RunReducer = void (*)(void* accumulator, const void* elements, size_t n);

// The best element so far, in its own type, and where it was.
struct ArgBest {
  alignas(8) unsigned char value[8];
  uint32_t index;
};
// Looks for an element that is strictly better among n, the first of which is number `first`.
using ArgFinder = void (*)(ArgBest& best, const void* elements, size_t n, uint32_t first);

// out[i] = exp(x[i] - *max); returns the sum of these. `out` may be `x`. Requires: no x[i] exceeds
// the maximum, nor below. Meanwhile the n elements at `next`, which will be read soon or are x, are
// fetched.
using ExpRun = double (*)(void* out, const void* x, const void* max, const void* next, size_t n);
// The same for columns, of which `max`, `sum` and `factor` are padded to a multiple of 256 bytes:
// sum[i] += exp(x[i] - max[i]).
using AddExpColumns = void (*)(void* sum, const void* x, const void* max, const void* next,
                               size_t n);
// out[i] = exp(x[i] - max[i]) * factor[i]. `next` as above, `stream` as in TileKernel.
using ScaledExpColumns = void (*)(void* out, const void* x, const void* max, const void* factor,
                                  const void* next, size_t n, bool stream);

// out[i] becomes element begin + i of the range that creation.h describes.
using RangeWriter = void (*)(void* out, double start, double step, int64_t begin, int32_t n);

// As memcpy, with stores that bypass the caches: other threads may see them late unless
// stream_fence() follows. Meanwhile as many bytes from each ahead[i] on, which may be anywhere, are
// brought into the caches. Requires: n_ahead is at most kMostAhead.
inline constexpr int kMostAhead = 4;
using StreamCopy = void (*)(void* to, const void* from, size_t nbytes, const void* const* ahead,
                            int n_ahead);

struct KernelTable {
  const char* isa;  // as in TARN_ISA

  // By the dtype computed in; null where the operation is not defined. cast: [from][to], null on
  // the diagonal.
  TileKernel elementwise[kElementwiseOpCount][kDtypeCount];
  TileKernel cast[kDtypeCount][kDtypeCount];
  // a[i] * b[i] + c[i], both results rounded: what two kernels give, with a third less to load and
  // store. Of float and double.
  TileKernel multiply_add[kDtypeCount];

  // By the type of the elements; null where they are to be converted first: 16-bit floats to float,
  // and for sums narrow integers to 32 bits.
  RunReducer sum[kDtypeCount];
  RunReducer prod[kDtypeCount];
  RunReducer max[kDtypeCount];
  RunReducer min[kDtypeCount];
  ArgFinder arg_max[kDtypeCount];
  ArgFinder arg_min[kDtypeCount];

  // Of float and double.
  ExpRun exp_run[kDtypeCount];
  AddExpColumns add_exp_columns[kDtypeCount];
  ScaledExpColumns scaled_exp_columns[kDtypeCount];

  // Of integers, float and double.
  RangeWriter arange[kDtypeCount];

  StreamCopy stream_copy;
};

// The table that this process uses. Throws std::runtime_error if the CPU has none of the
// instruction sets.
const KernelTable& kernels();

// All tables that this CPU can run, widest first.
std::span<const KernelTable* const> runnable_kernels();

}  // namespace tarn::cpu
