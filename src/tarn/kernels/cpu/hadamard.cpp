#include "tarn/kernels/cpu/hadamard.h"

#include <cstring>

#include "tarn/kernels/cpu/hadamard_kernels.h"
#include "tarn/kernels/cpu/hadamard_matrix.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/row_walk.h"
#include "tarn/ops/hadamard.h"

TARN_DECLARE_ISA_FUNCTION(add_hadamard_kernels, HadamardKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 32 << 10;
// What is to be written past the caches waits in them until then, if it fits.
constexpr int64_t kMaxStagedBytes = 256 << 10;

const HadamardKernels& hadamard_kernels() {
  static const HadamardKernels chosen = [] {
    HadamardKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_hadamard_kernels, made);
    return made;
  }();
  return chosen;
}

template <class E>
const void* signs_of(int factor) {
  switch (factor) {
    case 12:
      return kHadamard12<E>.data();
    case 20:
      return kHadamard20<E>.data();
    case 28:
      return kHadamard28<E>.data();
    default:
      return nullptr;
  }
}

// Bytes of a row in scratch memory; 0 if rows are transformed in the output.
int64_t scratch_row_bytes(const View& x, const View& out) {
  const int64_t nbytes = x.shape[x.ndim - 1] * (x.dtype == float64 ? 8 : 4);
  const bool is_needed = x.itemsize() < 4 || (streams_to(out, x) && nbytes <= kMaxStagedBytes);
  return is_needed ? (nbytes + 63) / 64 * 64 : 0;
}

}  // namespace

int64_t hadamard_scratch_bytes(const View& x, const View& out) {
  return LoopScratch::nbytes(scratch_row_bytes(x, out), x.size / x.shape[x.ndim - 1]);
}

void hadamard(const View& x, float scale, const View& out, void* scratch) {
  const View from = with_dense_rows(x, out);
  const int64_t n = x.shape[x.ndim - 1];
  const int factor = ops::hadamard_factor(n);
  const HadamardRow row{scale, size_t(factor), size_t(n / factor),
                        x.dtype == float64 ? signs_of<double>(factor) : signs_of<float>(factor)};
  const HadamardTransform transform = hadamard_kernels().transform[int(x.dtype.val())];
  const TileKernel narrow = kernels().cast[int(float32.val())][int(x.dtype.val())];
  const bool is_narrow = x.itemsize() < 4;
  const bool streams = streams_to(out, from);
  const int64_t scratch_row = scratch_row_bytes(x, out);
  LoopScratch scratch_rows(scratch, scratch_row);
  for_each_row(
      from, out, kElementsPerRange, [&] { return scratch_rows.take(); },
      [&](char* own_row, const char* elements, char* to) {
        char* const y = scratch_row > 0 ? own_row : to;
        transform(row, elements, y);
        if (is_narrow) {
          narrow(to, y, nullptr, nullptr, size_t(n));
        } else if (y != to && streams) {
          stream_copy(to, y, size_t(n * x.itemsize()), elements + n * x.itemsize());
        } else if (y != to) {
          std::memcpy(to, y, size_t(n * x.itemsize()));
        }
      });
}

}  // namespace tarn::cpu
