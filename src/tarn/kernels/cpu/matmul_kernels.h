// The inner loops of matrix products, one table per instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"

namespace tarn::cpu {

// c = a · b for one tile. Strides are in elements and may be anything; columns of c are adjacent.
struct MatmulTile {
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_row, b_col;
  void* c;
  int64_t c_row;
  int64_t m, n, k;
  bool few_rows = false;           // at most kFewRows, and b is to be read once, row by row
  const void* packed_b = nullptr;  // all of b as pack_b() leaves it, if that has been called
};

// Products are packed in blocks of this depth, or of twice that where pairs are multiplied, and of
// so many rows.
inline constexpr int64_t kMatmulDepth = 512;
inline constexpr int64_t kMatmulRowBlock = 96;
// Whole blocks of either depth.
inline constexpr int64_t kPackedRows = 2 * kMatmulDepth;

// So few rows of a are multiplied with rows of a large b as these come from memory.
inline constexpr int64_t kFewRows = 16;

// So many products are added to each y[j] at once where b is adjacent along j.
inline constexpr int kMatvecRows = 8;

// y[j] = sum of x[i] * b(i, j) over i < n_inner, for j < n_outer.
struct MatvecPart {
  const void* x;  // of the type that sums are kept in, adjacent
  const void* b;
  int64_t stride;  // of b, in elements, along the axis that is not adjacent
  void* y;         // of the type that sums are kept in
  int64_t n_inner, n_outer;
};

// By dtype; null where there is none. Sums of 16-bit floats are kept in float, others in their own
// type. The functions allocate nothing and run on the calling thread. In a tile the order in which
// products are added depends on the dtype and the depth alone.
struct MatmulKernels {
  void (*tile[kDtypeCount])(const MatmulTile& tile, void* scratch);
  // Packs rows [begin, end) of b to where they belong in `packed`, which is for all of b and has
  // packed_b_bytes(): tiles with the same columns of b can share it. Null where they cannot.
  // Requires: `begin` is a multiple of kPackedRows, `end` too or k.
  void (*pack_b[kDtypeCount])(const MatmulTile& tile, int64_t begin, int64_t end, void* packed);
  // b is adjacent along i, and along j.
  void (*matvec_inner[kDtypeCount])(const MatvecPart& part);
  void (*matvec_outer[kDtypeCount])(const MatvecPart& part);
};

// Bytes of scratch, aligned to 64, that a tile needs.
int64_t matmul_scratch_bytes(Dtype dtype, int64_t m, int64_t n, int64_t k);

// At most that much is packed of b with n columns and k rows; a multiple of 64.
int64_t packed_b_bytes(Dtype dtype, int64_t n, int64_t k);

// Those of the instruction set that kernels() has chosen.
const MatmulKernels& matmul_kernels();

// Those of all instruction sets that this CPU can run, with and without pairs of bfloat16, widest
// first.
std::span<const MatmulKernels> runnable_matmul_kernels();

}  // namespace tarn::cpu
