#include "tarn/kernels/cpu/matmul.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "tarn/base/ceil_div.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/creation.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"
#include "tarn/kernels/cpu/matmul_onednn.h"
#include "tarn/kernels/cpu/matmul_tile.h"
#include "tarn/kernels/cpu/matvec.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

// Tiles are made smaller until each thread has this many, but not for fewer multiplications each.
constexpr int64_t kTilesPerThread = 8;
constexpr int64_t kMinTileWork = 2 << 20;
// Small products are handed out so many multiplications at a time: some 10 microseconds.
constexpr int64_t kRangeWork = 256 << 10;
// Multiplications that are worth threads at whatever speed.
constexpr int64_t kLargeWork = 32 << 20;
// Largest tile: what is packed of it, in blocks of its depth, about fills a second-level cache of
// 1 MiB.
constexpr int64_t kMaxTileRows = 1024;
constexpr int64_t kMaxTileRowBytes = 2048;
// Tiles are multiples of what the innermost loops do at once.
constexpr int64_t kRowStep = 8;
constexpr int64_t kColStep = 48;
// A product of so many rows packs b once, for all its tiles, if that does not take too much memory.
// Then they may have few rows, and be so many that threads end together.
constexpr int64_t kMinSharingRows = 256;
constexpr int64_t kSharingTileRows = 64;
constexpr int64_t kMaxPackedBytes = 128 << 20;
// Few rows are multiplied with a b of so many elements for each as it is read, in long stretches.
constexpr int64_t kLargePerRow = 256 << 10;
constexpr int64_t kMostColumns = 2048;
constexpr int64_t kFewestColumns = 256;

// All products of a batch; a, b and to in this order. Strides in elements.
struct Product {
  Dtype dtype;
  const char* a;
  const char* b;
  char* to;
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col, to_row;
  Shape batch;
  Strides batch_strides[3];
};

// A batch of a that meets one and the same b is a taller a.
void merge_batch_into_rows(Product& p) {
  while (!p.batch.empty()) {
    const auto [a, b, to] =
        std::tuple(p.batch_strides[0].back(), p.batch_strides[1].back(), p.batch_strides[2].back());
    const bool merges = b == 0 && (p.m == 1 || (a == p.m * p.a_row && to == p.m * p.to_row));
    if (!merges) return;
    if (p.m == 1) {
      p.a_row = a;
      p.to_row = to;
    }
    p.m *= p.batch.back();
    p.batch.pop_back();
    for (Strides& strides : p.batch_strides) strides.pop_back();
  }
}

Product describe(const View& a, const View& b, const View& to) {
  const int ndim = to.ndim;
  const auto strides = [&](const View& view) {
    return Strides(view.strides, view.strides + ndim - 2);
  };
  Product p{to.dtype,
            a.as<const char>(),
            b.as<const char>(),
            to.as<char>(),
            to.shape[ndim - 2],
            to.shape[ndim - 1],
            a.shape[ndim - 1],
            a.strides[ndim - 2],
            a.strides[ndim - 1],
            b.strides[ndim - 2],
            b.strides[ndim - 1],
            to.shape[ndim - 1],
            Shape(to.shape, to.shape + ndim - 2),
            {strides(a), strides(b), strides(to)}};
  collapse_dims(p.batch, p.batch_strides);
  merge_batch_into_rows(p);
  return p;
}

// Does the product as vector × matrix if it is one.
bool multiplied_as_matvec(const Product& p) {
  if (p.m != 1 && p.n != 1) return false;
  const bool row = p.m == 1;
  const MatvecBatch work{p.dtype,
                         row ? p.a : p.b,
                         row ? p.a_col : p.b_row,
                         row ? p.b : p.a,
                         row ? p.b_row : p.a_col,
                         row ? p.b_col : p.a_row,
                         p.to,
                         p.k,
                         row ? p.n : p.m,
                         {p.batch.data(), p.batch.size()},
                         p.batch_strides[row ? 0 : 1].data(),
                         p.batch_strides[row ? 1 : 0].data()};
  if (!takes_matvec(work)) return false;
  matvec(work);
  return true;
}

// The size of the pieces when n is cut into `count` about equal ones of a multiple of `step`.
int64_t piece(int64_t n, int64_t count, int64_t step) {
  return std::min(n, ceil_div(ceil_div(n, count), step) * step);
}

// A product cut into tiles, numbered through the batch.
class TiledProduct {
 public:
  explicit TiledProduct(const Product& p) : p_(p) {
    const int64_t batch = size_of_shape(p.batch);
    is_large_ = batch * p.m * p.n * p.k >= kLargeWork;
    // Only in our own tiles is the order of a sum independent of their size.
    const bool is_ours = !onednn_is_faster(p.dtype);
    shares_packed_b_ = is_large_ && is_ours && batch == 1 && p.m >= kMinSharingRows &&
                       packed_b_bytes(p.dtype, p.n, p.k) <= kMaxPackedBytes &&
                       matmul_kernels().pack_b[index_of(p.dtype)] != nullptr;
    few_rows_ = has_few_rows(p);
    if (few_rows_) {
      share_out_columns(batch);
      return;
    }
    const int64_t tiles_per_thread = shares_packed_b_ ? 2 * kTilesPerThread : kTilesPerThread;
    const int64_t wanted = is_ours ? tiles_per_thread * num_threads() : 64;

    const int64_t max_cols = kMaxTileRowBytes / std::max<int64_t>(4, p.dtype.size());
    int64_t row_tiles = ceil_div(p.m, kMaxTileRows);
    int64_t col_tiles = ceil_div(p.n, max_cols);
    for (;;) {
      rows_ = piece(p.m, row_tiles, kRowStep);
      cols_ = piece(p.n, col_tiles, kColStep);
      row_tiles_ = ceil_div(p.m, rows_);
      col_tiles_ = ceil_div(p.n, cols_);
      n_tiles_ = batch * row_tiles_ * col_tiles_;
      if (n_tiles_ >= wanted || rows_ * cols_ * p.k < 2 * kMinTileWork) break;
      if (rows_ <= kRowStep && cols_ <= kColStep) break;
      if (cols_ > kColStep && (shares_packed_b_ ? rows_ <= kSharingTileRows : cols_ >= rows_)) {
        col_tiles = 2 * col_tiles_;
      } else {
        row_tiles = 2 * row_tiles_;
      }
    }
  }

  void run(const AllocateScratch& allocate) {
    if (shares_packed_b_ && allocate) pack_b(allocate);
    const auto body = [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) run_tiles(r.begin, r.end);
    };
    const int64_t grain = std::max<int64_t>(1, kRangeWork / (rows_ * cols_ * p_.k));
    if (is_large_) {
      parallel_large_ranges(n_tiles_, grain, body);
    } else {
      parallel_ranges(n_tiles_, grain, body);
    }
  }

 private:
  // Whether b is so large that reading it is most of the work, and wide enough for all threads.
  static bool has_few_rows(const Product& p) {
    return (p.dtype == float32 || p.dtype == float64) && p.b_col == 1 && p.m <= kFewRows &&
           p.k >= kMatmulDepth && p.n * p.k >= p.m * kLargePerRow &&
           p.n >= num_threads() * kFewestColumns;
  }

  // In tiles of all rows and as many columns as threads leave.
  void share_out_columns(int64_t batch) {
    rows_ = p_.m;
    row_tiles_ = 1;
    col_tiles_ = std::max(ceil_div(p_.n, kMostColumns),
                          std::min<int64_t>(2 * num_threads(), ceil_div(p_.n, kFewestColumns)));
    cols_ = piece(p_.n, col_tiles_, kColStep);
    col_tiles_ = ceil_div(p_.n, cols_);
    n_tiles_ = batch * col_tiles_;
  }

  // Without memory for it, each tile packs what it needs.
  void pack_b(const AllocateScratch& allocate) {
    column_bytes_ = packed_b_bytes(p_.dtype, cols_, p_.k);
    try {
      packed_b_ = allocate(col_tiles_ * column_bytes_);
    } catch (const std::bad_alloc&) {
      return;
    }
    const auto pack = matmul_kernels().pack_b[index_of(p_.dtype)];
    const int64_t n_blocks = ceil_div(p_.k, kPackedRows);
    parallel_large_ranges(col_tiles_ * n_blocks, 1, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        const int64_t col = r.begin / n_blocks, row = r.begin % n_blocks * kPackedRows;
        pack(tile_at(p_.a, p_.b, p_.to, 0, col * cols_), row, std::min(row + kPackedRows, p_.k),
             packed_columns(col));
      }
    });
  }
  char* packed_columns(int64_t col_tile) const {
    return static_cast<char*>(packed_b_.get()) + col_tile * column_bytes_;
  }

  void run_tiles(int64_t begin, int64_t end) const {
    const int64_t tiles_of_one = row_tiles_ * col_tiles_;
    StridedIndex<3> batch(p_.batch, {p_.batch_strides[0].data(), p_.batch_strides[1].data(),
                                     p_.batch_strides[2].data()});
    batch.seek(begin / tiles_of_one);
    int64_t tile = begin % tiles_of_one;
    for (int64_t t = begin; t < end; ++t) {
      multiply(batch, tile / col_tiles_, tile % col_tiles_);
      if (++tile < tiles_of_one) continue;
      tile = 0;
      batch.next();
    }
  }

  void multiply(const StridedIndex<3>& batch, int64_t row_tile, int64_t col_tile) const {
    const int64_t itemsize = p_.dtype.size();
    MatmulTile tile =
        tile_at(p_.a + batch.offset(0) * itemsize, p_.b + batch.offset(1) * itemsize,
                p_.to + batch.offset(2) * itemsize, row_tile * rows_, col_tile * cols_);
    tile.few_rows = few_rows_;
    if (packed_b_) tile.packed_b = packed_columns(col_tile);
    multiply_tile(p_.dtype, tile);
  }

  // Of one product of the batch.
  MatmulTile tile_at(const char* a, const char* b, char* to, int64_t row, int64_t col) const {
    const int64_t itemsize = p_.dtype.size();
    return {a + row * p_.a_row * itemsize,
            p_.a_row,
            p_.a_col,
            b + col * p_.b_col * itemsize,
            p_.b_row,
            p_.b_col,
            to + (row * p_.to_row + col) * itemsize,
            p_.to_row,
            std::min(rows_, p_.m - row),
            std::min(cols_, p_.n - col),
            p_.k};
  }

  const Product& p_;
  bool is_large_;
  bool few_rows_;
  bool shares_packed_b_;
  int64_t rows_, cols_;  // of a tile
  int64_t row_tiles_, col_tiles_;
  int64_t n_tiles_;
  Scratch packed_b_;          // null: each tile packs what it needs
  int64_t column_bytes_ = 0;  // of the columns of a tile there
};

}  // namespace

void matmul(const View& a, const View& b, const View& to, const AllocateScratch& allocate) {
  assert(to.ndim >= 2 && a.ndim == to.ndim && b.ndim == to.ndim);
  assert(a.dtype == to.dtype && b.dtype == to.dtype && is_row_contiguous(to));
  if (to.size == 0) return;
  if (a.shape[a.ndim - 1] == 0) {
    const uint64_t zero = 0;
    fill(&zero, to);
    return;
  }
  const Product product = describe(a, b, to);
  if (!multiplied_as_matvec(product)) TiledProduct(product).run(allocate);
}

}  // namespace tarn::cpu
