#include "tarn/kernels/cpu/quantized_matmul.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "tarn/base/small_vector.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"
#include "tarn/kernels/cpu/matmul_tile.h"
#include "tarn/kernels/cpu/matrix_batch.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/picked_matrices.h"
#include "tarn/kernels/cpu/quantize.h"
#include "tarn/kernels/cpu/quantized_kernels.h"

namespace tarn::cpu {

namespace {

// Up to so many rows of x tiles of numbers are not worth making.
constexpr int64_t kMaxDotRows = 16;
// Codes that a thread takes at once, and how many of their rows at most.
constexpr int64_t kTaskBytes = 64 << 10;
constexpr int64_t kMaxTaskRows = 64;
// Codes of a row that are multiplied at once with several rows of x: four of these then fill the
// first-level cache.
constexpr int64_t kSharedDepth = 2048;

// Numbers that a tile of w may have. Its columns are a multiple of what the products' innermost
// loops do at once, and of group sizes.
constexpr int64_t kTileBytes = 2 << 20;
constexpr int64_t kColStep = 48;
constexpr int64_t kMaxTileCols = 384;
// Rows of x that a tile is multiplied with at once: what is packed of them stays in the
// second-level cache.
constexpr int64_t kMaxTileRows = 1024;
// Multiplications that are worth threads at whatever speed.
constexpr int64_t kLargeWork = 8 << 20;

void float_from(Dtype dtype, const void* from, int64_t n, float* to) {
  if (dtype == float32) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  } else {
    kernels().cast[index_of(dtype)][index_of(float32)](to, from, nullptr, nullptr,
                                                       static_cast<size_t>(n));
  }
}
void float_to(Dtype dtype, const float* from, int64_t n, void* to) {
  if (dtype == float32) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  } else {
    kernels().cast[index_of(float32)][index_of(dtype)](to, from, nullptr, nullptr,
                                                       static_cast<size_t>(n));
  }
}

// One matrix times one quantized one.
class QuantizedProduct {
 public:
  // `x` and `to` have rows of adjacent elements, x_row elements apart and without gaps.
  QuantizedProduct(const ops::Quantization& format, bool transpose, const View& x, int64_t x_row,
                   int64_t m, std::span<const View> w, const View& to,
                   const AllocateScratch& allocate)
      : allocate_(allocate),
        format_(format),
        transpose_(transpose),
        dtype_(to.dtype),
        x_(x.as<const std::byte>()),
        x_row_(x_row),
        m_(m),
        n_(columns(to)),
        k_(columns(x)),
        to_(to.as<std::byte>()),
        codes_(w[0].as<const std::byte>()),
        codes_end_(codes_ + w[0].nbytes()),
        scales_(w[1].as<const std::byte>()),
        biases_(w.size() > 2 ? w[2].as<const std::byte>() : nullptr),
        scales_dtype_(w[1].dtype),
        codes_row_(columns(w[0]) * w[0].itemsize()),
        scales_row_(columns(w[1]) * w[1].itemsize()) {}

  void run() const {
    if (m_ == 0 || n_ == 0) return;
    if (k_ == 0) {
      std::memset(to_, 0, static_cast<size_t>(m_ * n_ * dtype_.size()));
    } else if (transpose_ && m_ <= kMaxDotRows) {
      by_dots();
    } else {
      by_tiles();
    }
  }

 private:
  const std::byte* x_row(int64_t row) const { return x_ + row * x_row_ * dtype_.size(); }
  std::byte* to_at(int64_t row, int64_t col) const {
    return to_ + (row * n_ + col) * dtype_.size();
  }

  template <class F>
  void on_threads(int64_t size, int64_t grain, F body) const {
    if (m_ * n_ * k_ >= kLargeWork) {
      parallel_large_ranges(size, grain, body);
    } else {
      parallel_ranges(size, grain, body);
    }
  }

  void by_dots() const {
    const int kind = static_cast<int>(code_kind(format_));
    const int n_digits = digits_of(code_kind(format_), m_, dtype_);
    const int64_t x_size = padded_x(k_);
    const int64_t sums_size = padded_sums(k_, format_.group_size);
    const Scratch memory =
        allocate_(((m_ + 1) * x_size + m_ * sums_size) * static_cast<int64_t>(sizeof(float)));
    float* const x = static_cast<float*>(memory.get());
    float* const sums = x + m_ * x_size;
    float* const row = sums + m_ * sums_size;
    std::fill(row + k_, row + x_size, 0.0f);
    for (int64_t i = 0; i < m_; ++i) {
      float_from(dtype_, x_row(i), k_, row);
      quantized_kernels().arrange[kind](row, k_, format_.group_size, n_digits, i, m_, x, sums);
    }
    const QuantizedDot dot{.codes = codes_,
                           .scales = scales_,
                           .biases = biases_,
                           .codes_row = codes_row_,
                           .scales_row = scales_row_,
                           .scale_kind = scale_kind(format_, scales_dtype_),
                           .group_size = format_.group_size,
                           .x = x,
                           .x_sums = sums,
                           .x_row = x_size,
                           .x_sums_row = sums_size,
                           .m = m_,
                           .n_digits = n_digits,
                           .y_row = kMaxTaskRows};
    const int64_t task_rows = std::clamp<int64_t>(kTaskBytes / codes_row_, 1, kMaxTaskRows);
    const int64_t n_tasks = (n_ + task_rows - 1) / task_rows;
    const int64_t grain = std::max<int64_t>(1, kTaskBytes / (task_rows * codes_row_ * m_));
    on_threads(n_tasks, grain, [&](RangeQueue& queue) {
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for (int64_t task = range.begin; task < range.end; ++task) {
          dot_columns(dot, task * task_rows, std::min(task_rows, n_ - task * task_rows));
        }
      }
    });
  }

  // Columns of the result: rows of w.
  void dot_columns(QuantizedDot dot, int64_t col, int64_t n_cols) const {
    float y[kMaxDotRows * kMaxTaskRows];
    const int64_t group_size = format_.group_size;
    const int64_t depth = dot.m == 1 ? kDotDepth : std::max(kSharedDepth, kSumsAtOnce * group_size);
    const int scale_bytes = size_of(dot.scale_kind);
    dot.y = y;
    dot.n_rows = n_cols;
    for (int64_t begin = 0; begin < k_; begin += depth) {
      const int64_t group = begin / group_size;
      const int64_t scales_offset = col * scales_row_ + group * scale_bytes;
      QuantizedDot part = dot;
      part.codes = codes_ + col * codes_row_ + begin * format_.bits / 8;
      part.scales = scales_ + scales_offset;
      if (biases_ != nullptr) part.biases = biases_ + scales_offset;
      part.n_codes = std::min(depth, k_ - begin);
      part.begin = begin;
      part.x_sums = dot.x_sums + group;
      part.add = begin > 0;
      quantized_kernels().dot[static_cast<int>(code_kind(format_))](part);
    }
    for (int64_t i = 0; i < m_; ++i) float_to(dtype_, y + i * kMaxTaskRows, n_cols, to_at(i, col));
  }

  void by_tiles() const {
    const int64_t step =
        transpose_ ? kColStep : std::max<int64_t>(kColStep * 4, format_.group_size * 3);
    const int64_t wanted = kTileBytes / (k_ * dtype_.size()) / step * step;
    const int64_t tile_cols = std::clamp(wanted, step, kMaxTileCols);
    // One row is multiplied in float, and converted to that first.
    const int64_t number_bytes = m_ == 1 ? int64_t{sizeof(float)} : dtype_.size();
    const int64_t n_numbers = k_ * (m_ == 1 ? tile_cols + 1 : tile_cols);
    on_threads((n_ + tile_cols - 1) / tile_cols, 1, [&](RangeQueue& queue) {
      Scratch numbers;
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for (int64_t tile = range.begin; tile < range.end; ++tile) {
          const int64_t col = tile * tile_cols;
          const int64_t n_cols = std::min(tile_cols, n_ - col);
          if (!numbers) numbers = allocate_(n_numbers * number_bytes);
          if (m_ == 1) {
            multiply_vector(col, n_cols, static_cast<float*>(numbers.get()));
          } else {
            multiply_tiles(col, n_cols, numbers.get());
          }
        }
      }
    });
  }

  void multiply_tiles(int64_t col, int64_t n_cols, void* numbers) const {
    make_tile(col, n_cols, dtype_, numbers);
    for (int64_t row = 0; row < m_; row += kMaxTileRows) {
      multiply_tile(dtype_, {.a = x_row(row),
                             .a_row = x_row_,
                             .a_col = 1,
                             .b = numbers,
                             .b_row = transpose_ ? 1 : n_cols,
                             .b_col = transpose_ ? k_ : 1,
                             .c = to_at(row, col),
                             .c_row = n_,
                             .m = std::min(kMaxTileRows, m_ - row),
                             .n = n_cols,
                             .k = k_});
    }
  }

  // Requires: m is 1, and no transpose.
  void multiply_vector(int64_t col, int64_t n_cols, float* numbers) const {
    make_tile(col, n_cols, float32, numbers);
    float* const x = numbers + k_ * n_cols;
    float_from(dtype_, x_, k_, x);
    float y[kMaxTileCols];
    matmul_kernels().matvec_outer[index_of(float32)]({x, numbers, n_cols, y, k_, n_cols});
    float_to(dtype_, y, n_cols, to_at(0, col));
  }

  // The numbers of some columns of the right side: with `transpose` column by column, else row by
  // row.
  void make_tile(int64_t col, int64_t n_cols, Dtype dtype, void* to) const {
    const int64_t n_runs = transpose_ ? 1 : k_;
    const int64_t first_group =
        transpose_ ? col * k_ / format_.group_size : col / format_.group_size;
    const int64_t n_groups = (transpose_ ? n_cols * k_ : n_cols) / format_.group_size;
    const int64_t group_bytes = int64_t{format_.group_size} * format_.bits / 8;
    const int64_t scales_offset = first_group * size_of(scale_kind(format_, scales_dtype_));
    for (int64_t i = 0; i < n_runs; ++i) {
      dequantize_run(format_,
                     {codes_ + i * codes_row_ + first_group * group_bytes,
                      scales_ + i * scales_row_ + scales_offset,
                      biases_ == nullptr ? nullptr : biases_ + i * scales_row_ + scales_offset,
                      codes_end_, scales_dtype_, 1.0f, n_groups},
                     dtype, static_cast<std::byte*>(to) + i * n_cols * dtype.size());
    }
  }

  const AllocateScratch& allocate_;
  const ops::Quantization format_;
  const bool transpose_;
  const Dtype dtype_;
  const std::byte* const x_;
  const int64_t x_row_;
  const int64_t m_, n_, k_;
  std::byte* const to_;
  const std::byte* const codes_;
  const std::byte* const codes_end_;
  const std::byte* const scales_;
  const std::byte* const biases_;
  const Dtype scales_dtype_;
  const int64_t codes_row_, scales_row_;  // bytes
};

// Product `begin` and those that follow it up to `end`, as one if x allows it.
void multiply_run(const ops::Quantization& format, bool transpose, const std::vector<View>& x,
                  std::span<const View> w, const MatrixBatch& to, const PickedRun& run,
                  const AllocateScratch& allocate) {
  const View& first = x[static_cast<size_t>(run.begin)];
  const int64_t n = run.end - run.begin;
  const int64_t distance =
      n > 1 ? bytes_between(first, x[static_cast<size_t>(run.begin + 1)]) / first.itemsize() : 0;
  if (rows(first) == 1 && n > 1) {
    QuantizedProduct(format, transpose, first, distance, n, w, to[run.begin], allocate).run();
  } else if (distance == first.size) {
    QuantizedProduct(format, transpose, first, columns(first), n * rows(first), w, to[run.begin],
                     allocate)
        .run();
  } else {
    for (int64_t i = run.begin; i < run.end; ++i) {
      const View& matrix = x[static_cast<size_t>(i)];
      QuantizedProduct(format, transpose, matrix, columns(matrix), rows(matrix), w, to[i], allocate)
          .run();
    }
  }
}

template <class F>
void for_each_in_parallel(int64_t n, F f) {
  parallel_ranges(n, 1, [&](RangeQueue& queue) {
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t i = range.begin; i < range.end; ++i) f(i);
    }
  });
}

}  // namespace

void quantized_matmul(const ops::Quantization& format, bool transpose, const View& x,
                      std::span<const View> w, const View& to, const AllocateScratch& allocate) {
  const MatrixBatch left(x), products(to);
  const std::vector<MatrixBatch> right(w.begin(), w.end());
  for_each_in_parallel(products.size(), [&](int64_t i) {
    SmallVector<View, 3> matrices;
    for (const MatrixBatch& batch : right) matrices.push_back(batch[i]);
    const View matrix = left[i];
    QuantizedProduct(format, transpose, matrix, columns(matrix), rows(matrix),
                     {matrices.data(), matrices.size()}, products[i], allocate)
        .run();
  });
}

void gather_quantized_matmul(const ops::Quantization& format, bool transpose, const View& x,
                             std::span<const View> w, const View& x_indices, const View& w_indices,
                             const View& to, const AllocateScratch& allocate) {
  const std::vector<View> left = pick_matrices(x, x_indices, "gather_qmm", "left");
  std::vector<std::vector<View>> right;
  for (const View& part : w) {
    right.push_back(pick_matrices(part, w_indices, "gather_qmm", "right"));
  }
  const MatrixBatch products(to);
  const std::vector<PickedRun> runs = find_runs(left, right[0]);
  for_each_in_parallel(static_cast<int64_t>(runs.size()), [&](int64_t i) {
    const PickedRun& run = runs[static_cast<size_t>(i)];
    SmallVector<View, 3> matrices;
    for (const auto& part : right) matrices.push_back(part[static_cast<size_t>(run.begin)]);
    multiply_run(format, transpose, left, {matrices.data(), matrices.size()}, products, run,
                 allocate);
  });
}

}  // namespace tarn::cpu
