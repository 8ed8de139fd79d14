// One tile of a matrix product: blocks of the depth, in which b is packed, are multiplied by a
// kernel that keeps its sums in registers.
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "tarn/kernels/cpu/isa/bfloat16_pairs.h"
#include "tarn/kernels/cpu/isa/matmul_families.h"
#include "tarn/kernels/cpu/isa/matmul_pack.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::MatmulTile;

// The kernel holds kRows × kVectors vectors of sums, a row of b, and an element of a, in the 16 or
// 32 registers there are.
constexpr int kRows = HWY_MAX_BYTES == 64 ? 8 : 4;
constexpr int kVectors = 3;
constexpr int64_t kDepth = cpu::kMatmulDepth;
static_assert(cpu::kPackedRows % (2 * kDepth) == 0);
// These rows of a stay in the second-level cache while all columns pass by.
constexpr int64_t kRowBlock = cpu::kMatmulRowBlock;

template <class T>
constexpr int64_t kLanes = Pack<T>::kLanes;

int64_t padded(int64_t n, int64_t lanes) { return (n + lanes - 1) / lanes * lanes; }

// Rows of b that are read where they are, on the way from memory: into the second-level cache,
// because those of a power of two would push each other out of the first.
constexpr int64_t kRowsInFlight = 32;
constexpr int kSecondLevel = 2;

// How the elements of b lie: packed in panels of whole vectors, numbers or pairs of bfloat16; or
// in rows of the matrix.
enum class Operand { numbers, pairs, in_place };

// sums (+)= a · b. Strides of a are in bytes, others in numbers; depth and a count pairs where
// those are multiplied.
template <class T>
struct Block {
  const char* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;  // of what is in place; panels are as wide as they are
  T* sums;
  int64_t sums_row;
  int64_t m, n, depth;
  bool add;
};

// kR rows and kV vectors of columns of a block. The last vector has n_last columns.
template <class T, Operand kB, int kR, int kV>
void multiply_panel(const Block<T>& t, int64_t n_last) {
  const hn::ScalableTag<T> d;
  const auto last = hn::FirstN(d, static_cast<size_t>(n_last));
  const char* a = t.a;
  const T* b = t.b;
  hn::Vec<hn::ScalableTag<T>> sums[kR][kV];
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      sums[r][v] = hn::Zero(d);
      __builtin_prefetch(t.sums + r * t.sums_row + v * kLanes<T>, 1);  // for the end
    });
  });
// Of the instructions of one step every fifth would be the loop's own.
#pragma GCC unroll 4
  for (int64_t p = 0; p < t.depth; ++p, a += t.a_col, b += t.b_row) {
    hn::Vec<hn::ScalableTag<T>> row[kV];
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      const T* const from = b + v * kLanes<T>;
      if constexpr (kB == Operand::in_place) {
        __builtin_prefetch(from + kRowsInFlight * t.b_row, 0, kSecondLevel);
        row[v] = v + 1 == kV ? hn::MaskedLoad(last, d, from) : hn::LoadU(d, from);
      } else {
        row[v] = hn::LoadU(d, from);
      }
    });
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      T number;
      std::memcpy(&number, a + r * t.a_row, sizeof number);
      const auto x = hn::Set(d, number);
      unrolled<kV>([&](auto v) TARN_LAMBDA {
        if constexpr (kB == Operand::pairs) {
          sums[r][v] = add_products_of_pairs(sums[r][v], x, row[v]);
        } else {
          sums[r][v] = hn::MulAdd(x, row[v], sums[r][v]);
        }
      });
    });
  }
  // Copies: as far as the compiler can tell, storing sums changes the block.
  T* to_row = t.sums;
  const int64_t sums_row = t.sums_row;
  const bool add = t.add;
  const bool is_whole = n_last == kLanes<T>;  // AVX2 takes long to store part of a vector
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      T* const to = to_row + v * kLanes<T>;
      if (v + 1 == kV && !is_whole) {
        const auto sum = add ? hn::Add(sums[r][v], hn::MaskedLoad(last, d, to)) : sums[r][v];
        hn::BlendedStore(sum, last, d, to);
      } else {
        hn::StoreU(add ? hn::Add(sums[r][v], hn::LoadU(d, to)) : sums[r][v], d, to);
      }
    });
    to_row += sums_row;
  });
}

template <class T>
using PanelKernel = void (*)(const Block<T>&, int64_t);

template <class T, Operand kB, int... kI>
constexpr auto panel_kernels(std::integer_sequence<int, kI...>) {
  struct Table {
    PanelKernel<T> kernels[kRows * kVectors];
  };
  return Table{{multiply_panel<T, kB, 1 + kI / kVectors, 1 + kI % kVectors>...}};
}

// Vectors of the next panel when `left` columns remain: two panels of two are better than three
// and one.
template <class T>
int panel_vectors(int64_t left) {
  const int64_t vectors = (left + kLanes<T> - 1) / kLanes<T>;
  return vectors == 4 ? 2 : static_cast<int>(std::min<int64_t>(vectors, kVectors));
}

template <class T, Operand kB>
void multiply_block(const Block<T>& t) {
  static constexpr auto kTable =
      panel_kernels<T, kB>(std::make_integer_sequence<int, kRows * kVectors>{});
  // Columns outside: a panel of b stays near the first-level cache while the rows of a pass by.
  for (int64_t j = 0; j < t.n;) {
    const int vectors = panel_vectors<T>(t.n - j);
    const int64_t width = vectors * kLanes<T>;
    const int64_t n_last = std::min(kLanes<T>, t.n - j - (vectors - 1) * kLanes<T>);
    Block<T> panel = t;
    panel.sums += j;
    if constexpr (kB == Operand::in_place) {
      panel.b += j;
    } else {
      panel.b += j * t.depth;
      panel.b_row = width;
    }
    for (int64_t i = 0; i < t.m; i += kRows) {
      const int rows = static_cast<int>(std::min<int64_t>(kRows, t.m - i));
      kTable.kernels[(rows - 1) * kVectors + vectors - 1](panel, n_last);
      panel.a += kRows * t.a_row;
      panel.sums += kRows * t.sums_row;
    }
    j += width;
  }
}

// Calls pack(to, to_width, from, width) for each panel of n columns.
template <class T, class E, class Pack>
void pack_b(T* to, const E* b, int64_t col_stride, int64_t n, int64_t depth, Pack pack) {
  for (int64_t j = 0; j < n;) {
    const int64_t width = panel_vectors<T>(n - j) * kLanes<T>;
    pack(to, width, b + j * col_stride, std::min(width, n - j));
    to += width * depth;
    j += width;
  }
}

// Row by row, because memory is read faster in long stretches.
template <class T, class E>
void pack_rows_of_b(T* to, const E* b, int64_t row_stride, int64_t n, int64_t depth) {
  for (int64_t p = 0; p < depth; ++p, b += row_stride) {
    prefetch_row(b + kRowsAhead * row_stride, n);
    for (int64_t j = 0; j < n;) {
      const int64_t to_width = panel_vectors<T>(n - j) * kLanes<T>;
      const int64_t width = std::min(to_width, n - j);
      T* const row = to + j * depth + p * to_width;
      pack_row(row, b + j, width);
      std::fill(row + width, row + to_width, T{0});
      j += to_width;
    }
  }
}

template <class T, class E>
void pack_b_of_numbers(T* to, const E* b, int64_t row_stride, int64_t col_stride, int64_t n,
                       int64_t depth) {
  if (col_stride == 1) return pack_rows_of_b(to, b, row_stride, n, depth);
  pack_b(to, b, col_stride, n, depth,
         [&](T* panel, int64_t to_width, const E* from, int64_t width) {
           pack_panel(panel, to_width, from, col_stride, row_stride, width, depth);
         });
}

// Lets a block read rows of a, packed at `to` unless they can be read where they are: by columns
// if their elements are adjacent in that direction, else by rows.
template <class T, class E>
void set_a(Block<T>& block, T* to, const E* a, int64_t row_stride, int64_t col_stride) {
  constexpr int64_t kSize = sizeof(T);
  block.a = reinterpret_cast<const char*>(to);
  if (std::is_same_v<T, E> && col_stride == 1) {
    block.a = reinterpret_cast<const char*>(a);
    block.a_row = row_stride * kSize;
    block.a_col = kSize;
  } else if (row_stride == 1) {
    pack_panel(to, block.m, a, 1, col_stride, block.m, block.depth);
    block.a_row = kSize;
    block.a_col = block.m * kSize;
  } else {
    pack_panel(to, block.depth, a, col_stride, row_stride, block.depth, block.m);
    block.a_row = block.depth * kSize;
    block.a_col = kSize;
  }
}

template <class E>
void store_row(E* to, const ComputeOf<E>* from, int64_t n) {
  constexpr int64_t kN = kElementsPerPack<E>;
  const hn::ScalableTag<ComputeOf<E>> d;
  int64_t i = 0;
  for (; i + kN <= n; i += kN) store(to + i, Pack<ComputeOf<E>>(hn::LoadU(d, from + i)));
  for (; i < n; ++i) to[i] = static_cast<E>(from[i]);
}

template <class E>
void store_rows(const MatmulTile& t, const ComputeOf<E>* sums, int64_t stride) {
  for (int64_t i = 0; i < t.m; ++i) {
    store_row(static_cast<E*>(t.c) + i * t.c_row, sums + i * stride, t.n);
  }
}

// With so few rows packing takes longer than it saves, and so it does if all of a and b, this many
// elements, stays in the first-level cache. AVX2 has registers for half as many rows at once, and
// reads b twice as often: one that is larger than this many elements does not stay near.
constexpr int64_t kMaxRowsInPlace = HWY_MAX_BYTES == 64 ? 32 : 16;
constexpr int64_t kMaxNear = HWY_MAX_BYTES == 64 ? INT64_MAX : 256 << 10;
constexpr int64_t kMaxInPlace = 4096;

template <class T>
bool multiplied_in_place(const MatmulTile& t) {
  if (t.b_col != 1) return false;
  const int64_t max_rows = t.b_row * t.k <= kMaxNear ? kMaxRowsInPlace : kRows;
  if (t.m > max_rows && t.m * t.k + t.k * t.n > kMaxInPlace) return false;
  constexpr int64_t kSize = sizeof(T);
  Block<T> block{static_cast<const char*>(t.a),
                 t.a_row * kSize,
                 t.a_col * kSize,
                 static_cast<const T*>(t.b),
                 t.b_row,
                 static_cast<T*>(t.c),
                 t.c_row,
                 t.m,
                 t.n,
                 0,
                 false};
  for (int64_t p = 0; p < t.k; p += kDepth) {
    block.depth = std::min(kDepth, t.k - p);
    multiply_block<T, Operand::in_place>(block);
    block.a += kDepth * block.a_col;
    block.b += kDepth * block.b_row;
    block.add = true;
  }
  return true;
}

// Few rows of a times a large b: kSteps rows of b at a time, in long stretches, are added to sums
// in the second-level cache, so that b is read once and as fast as memory allows.
// Twice as many halve what goes to the sums and back: with 16 rows 7 % faster on an Intel Xeon, 5 %
// slower with the registers of AVX2.
constexpr int kSteps = HWY_MAX_BYTES == 64 ? 16 : 8;
// Rows and vectors of columns whose sums are in registers.
constexpr int kGroup = HWY_MAX_BYTES == 64 ? 8 : 4;
constexpr int kV = 2;

// Numbers between rows of sums: those of a power of two would push each other out of the
// first-level cache.
template <class T>
int64_t few_rows_stride(int64_t n) {
  return padded(n, kV * kLanes<T>) + 64 / int64_t{sizeof(T)};
}

// sums += kS columns of a, as `x` has them by groups of rows, times as many rows of b.
template <class T, int kS>
void add_steps(const T (*x)[kSteps][kGroup], int64_t n_groups, const T* b, int64_t b_row, int64_t n,
               T* sums, int64_t sums_row) {
  constexpr int64_t kWidth = kV * kLanes<T>;
  const hn::ScalableTag<T> d;
  for (int64_t j = 0; j < n; j += kWidth) {
    const bool is_whole = j + kWidth <= n;
    for (int64_t g = 0; g < n_groups; ++g) {
      T* const group = sums + g * kGroup * sums_row + j;
      hn::Vec<hn::ScalableTag<T>> total[kGroup][kV];
      unrolled<kGroup>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v) TARN_LAMBDA {
          total[r][v] = hn::LoadU(d, group + r * sums_row + v * kLanes<T>);
        });
      });
      unrolled<kS>([&](auto p) TARN_LAMBDA {
        hn::Vec<hn::ScalableTag<T>> row[kV];
        unrolled<kV>([&](auto v) TARN_LAMBDA {
          const T* const from = b + p * b_row + j + v * kLanes<T>;
          const int64_t left = n - j - v * kLanes<T>;
          row[v] = is_whole
                       ? hn::LoadU(d, from)
                       : hn::MaskedLoad(hn::FirstN(d, size_t(std::max<int64_t>(left, 0))), d, from);
        });
        unrolled<kGroup>([&](auto r) TARN_LAMBDA {
          const auto number = hn::Set(d, x[g][p][r]);
          unrolled<kV>([&](auto v)
                           TARN_LAMBDA { total[r][v] = hn::MulAdd(number, row[v], total[r][v]); });
        });
      });
      unrolled<kGroup>([&](auto r) TARN_LAMBDA {
        unrolled<kV>([&](auto v) TARN_LAMBDA {
          hn::StoreU(total[r][v], d, group + r * sums_row + v * kLanes<T>);
        });
      });
    }
  }
}

template <class T>
void multiply_few_rows(const MatmulTile& t, T* sums) {
  const int64_t n_groups = (t.m + kGroup - 1) / kGroup;
  const int64_t sums_row = few_rows_stride<T>(t.n);
  const T* const a = static_cast<const T*>(t.a);
  const T* const b = static_cast<const T*>(t.b);
  T* const c = static_cast<T*>(t.c);
  T x[(cpu::kFewRows + kGroup - 1) / kGroup][kSteps][kGroup] = {};
  for (int64_t begin = 0; begin < t.k; begin += kDepth) {
    const int64_t end = std::min(begin + kDepth, t.k);
    std::fill_n(sums, n_groups * kGroup * sums_row, T{0});
    for (int64_t p = begin; p < end;) {
      const int64_t steps = end - p >= kSteps ? kSteps : 1;
      for (int64_t i = 0; i < t.m; ++i) {
        for (int64_t s = 0; s < steps; ++s) {
          x[i / kGroup][s][i % kGroup] = a[i * t.a_row + (p + s) * t.a_col];
        }
      }
      const auto add = steps == 1 ? add_steps<T, 1> : add_steps<T, kSteps>;
      add(x, n_groups, b + p * t.b_row, t.b_row, t.n, sums, sums_row);
      p += steps;
    }
    for (int64_t i = 0; i < t.m; ++i) {
      T* const to = c + i * t.c_row;
      const T* const from = sums + i * sums_row;
      for (int64_t j = 0; j < t.n; ++j) to[j] = begin == 0 ? from[j] : to[j] + from[j];
    }
  }
}

// Calls multiply(block, first row) for all rows, some at a time.
template <class T, class MultiplyRows>
void for_each_row_block(Block<T> block, int64_t m, MultiplyRows multiply) {
  for (int64_t i = 0; i < m; i += kRowBlock) {
    block.m = std::min(kRowBlock, m - i);
    multiply(block, i);
    block.sums += block.m * block.sums_row;
  }
}

// Calls f(first row of b, how many) for blocks of rows from begin to end.
template <class F>
void for_each_depth_block(int64_t begin, int64_t end, int64_t depth, F f) {
  for (int64_t p = begin; p < end; p += depth) f(p, std::min(depth, end - p));
}

// Rows p to p + depth of b.
template <class E>
void pack_block_of_b(const MatmulTile& t, int64_t p, int64_t depth, ComputeOf<E>* to) {
  pack_b_of_numbers(to, static_cast<const E*>(t.b) + p * t.b_row, t.b_row, t.b_col, t.n, depth);
}

template <class E>
void pack_blocks_of_b(const MatmulTile& t, int64_t begin, int64_t end, void* packed) {
  using T = ComputeOf<E>;
  for_each_depth_block(begin, end, kDepth, [&](int64_t p, int64_t depth) {
    pack_block_of_b<E>(t, p, depth, static_cast<T*>(packed) + p * padded(t.n, kLanes<T>));
  });
}

template <class E>
void multiply_tile(const MatmulTile& t, void* scratch) {
  using T = ComputeOf<E>;
  constexpr bool kSumsInPlace = std::is_same_v<T, E>;
  if constexpr (kSumsInPlace) {
    if (t.few_rows) return multiply_few_rows<T>(t, static_cast<T*>(scratch));
    if (t.packed_b == nullptr && multiplied_in_place<T>(t)) return;
  }
  const int64_t width = padded(t.n, kLanes<T>);
  T* const own_b = static_cast<T*>(scratch);
  T* const packed_a = own_b + width * std::min(t.k, kDepth);
  T* const sums = packed_a + std::min(t.m, kRowBlock) * std::min(t.k, kDepth);
  Block<T> block{};
  block.sums = kSumsInPlace ? static_cast<T*>(t.c) : sums;
  block.sums_row = kSumsInPlace ? t.c_row : width;
  block.n = t.n;
  for_each_depth_block(0, t.k, kDepth, [&](int64_t p, int64_t depth) {
    block.depth = depth;
    block.add = p > 0;
    if (t.packed_b != nullptr) {
      block.b = static_cast<const T*>(t.packed_b) + p * width;
    } else {
      pack_block_of_b<E>(t, p, depth, own_b);
      block.b = own_b;
    }
    const E* const a = static_cast<const E*>(t.a) + p * t.a_col;
    for_each_row_block(block, t.m, [&](Block<T>& rows, int64_t i) {
      set_a(rows, packed_a, a + i * t.a_row, t.a_row, t.a_col);
      multiply_block<T, Operand::numbers>(rows);
    });
  });
  if constexpr (!kSumsInPlace) store_rows<E>(t, sums, width);
}

#ifdef __AVX512BF16__
// The same in pairs. Those of a are read where they are if rows of them are adjacent.
void set_a_of_pairs(Block<float>& block, float* to, const bfloat16_t* a, int64_t row_stride,
                    int64_t col_stride, int64_t depth) {
  constexpr int64_t kSize = sizeof(float);
  if (col_stride == 1 && depth % 2 == 0) {
    block.a = reinterpret_cast<const char*>(a);
    block.a_row = row_stride * (kSize / 2);
    block.a_col = kSize;
    return;
  }
  pack_panel_of_pairs(to, block.m, a, row_stride, col_stride, block.m, depth);
  block.a = reinterpret_cast<const char*>(to);
  block.a_row = kSize;
  block.a_col = block.m * kSize;
}

void pack_block_of_pairs(const MatmulTile& t, int64_t p, int64_t depth, float* to) {
  const bfloat16_t* const b = static_cast<const bfloat16_t*>(t.b) + p * t.b_row;
  pack_b(to, b, t.b_col, t.n, (depth + 1) / 2,
         [&](float* panel, int64_t to_width, const bfloat16_t* from, int64_t width) {
           pack_panel_of_pairs(panel, to_width, from, t.b_col, t.b_row, width, depth);
         });
}

void pack_blocks_of_pairs(const MatmulTile& t, int64_t begin, int64_t end, void* packed) {
  const int64_t width = padded(t.n, kLanes<float>);
  for_each_depth_block(begin, end, 2 * kDepth, [&](int64_t p, int64_t depth) {
    pack_block_of_pairs(t, p, depth, static_cast<float*>(packed) + p / 2 * width);
  });
}

void multiply_tile_of_pairs(const MatmulTile& t, void* scratch) {
  const int64_t width = padded(t.n, kLanes<float>);
  const int64_t max_pairs = (std::min(t.k, 2 * kDepth) + 1) / 2;
  float* const own_b = static_cast<float*>(scratch);
  float* const packed_a = own_b + width * max_pairs;
  float* const sums = packed_a + std::min(t.m, kRowBlock) * max_pairs;
  Block<float> block{};
  block.sums = sums;
  block.sums_row = width;
  block.n = t.n;
  for_each_depth_block(0, t.k, 2 * kDepth, [&](int64_t p, int64_t depth) {
    block.depth = (depth + 1) / 2;
    block.add = p > 0;
    if (t.packed_b != nullptr) {
      block.b = static_cast<const float*>(t.packed_b) + p / 2 * width;
    } else {
      pack_block_of_pairs(t, p, depth, own_b);
      block.b = own_b;
    }
    const bfloat16_t* const a = static_cast<const bfloat16_t*>(t.a) + p * t.a_col;
    for_each_row_block(block, t.m, [&](Block<float>& rows, int64_t i) {
      set_a_of_pairs(rows, packed_a, a + i * t.a_row, t.a_row, t.a_col, depth);
      multiply_block<float, Operand::pairs>(rows);
    });
  });
  store_rows<bfloat16_t>(t, sums, width);
}
#endif

// (ar + i ai)(br + i bi), as four real products of packed parts. Complex numbers are pairs of
// floats here: the functions of complex64_t must not be instantiated.
void multiply_complex_tile(const MatmulTile& t, void* scratch) {
  const int64_t stride = padded(t.n, kLanes<float>);
  const int64_t depth_max = std::min(t.k, kDepth);
  float* const b_real = static_cast<float*>(scratch);
  float* const b_imag = b_real + stride * depth_max;
  float* const a_real = b_imag + stride * depth_max;
  float* const a_imag = a_real + std::min(t.m, kRowBlock) * depth_max;
  float* const real_sums = a_imag + std::min(t.m, kRowBlock) * depth_max;
  float* const imag_sums = real_sums + t.m * stride;
  const float* a = static_cast<const float*>(t.a);
  const float* b = static_cast<const float*>(t.b);
  const auto multiply = [](Block<float> block, const float* packed_b, float* sums, bool add) {
    block.b = packed_b;
    block.sums = sums;
    block.add = add;
    multiply_block<float, Operand::numbers>(block);
  };
  Block<float> block{};
  block.sums = real_sums;
  block.sums_row = stride;
  block.n = t.n;
  for (int64_t p = 0; p < t.k; p += kDepth) {
    block.depth = std::min(kDepth, t.k - p);
    const float* const b_block = b + 2 * p * t.b_row;
    pack_b_of_numbers(b_real, b_block, 2 * t.b_row, 2 * t.b_col, t.n, block.depth);
    pack_b_of_numbers(b_imag, b_block + 1, 2 * t.b_row, 2 * t.b_col, t.n, block.depth);
    for_each_row_block(block, t.m, [&](Block<float>& rows, int64_t i) {
      const float* const a_block = a + 2 * (i * t.a_row + p * t.a_col);
      float* const real = rows.sums;
      float* const imag = imag_sums + i * stride;
      Block<float> imag_rows = rows;
      set_a(rows, a_real, a_block, 2 * t.a_row, 2 * t.a_col);
      set_a(imag_rows, a_imag, a_block + 1, 2 * t.a_row, 2 * t.a_col);
      multiply(rows, b_real, real, p > 0);
      multiply(rows, b_imag, imag, p > 0);
      multiply(imag_rows, b_real, imag, true);
      for (int64_t e = 0; e < rows.m * rows.depth; ++e) a_imag[e] = -a_imag[e];
      multiply(imag_rows, b_imag, real, true);
    });
  }
  for (int64_t i = 0; i < t.m; ++i) {
    float* const row = static_cast<float*>(t.c) + 2 * i * t.c_row;
    for (int64_t j = 0; j < t.n; ++j) {
      row[2 * j] = real_sums[i * stride + j];
      row[2 * j + 1] = imag_sums[i * stride + j];
    }
  }
}

template <class E>
void add_tile(cpu::MatmulKernels& kernels) {
  const int dtype = static_cast<int>(dtype_of<E>.val());
  kernels.tile[dtype] = multiply_tile<E>;
  kernels.pack_b[dtype] = pack_blocks_of_b<E>;
}

}  // namespace

void add_matmul_tiles(cpu::MatmulKernels& kernels) {
  add_tile<float>(kernels);
  add_tile<double>(kernels);
  add_tile<float16_t>(kernels);
  add_tile<bfloat16_t>(kernels);
  kernels.tile[static_cast<int>(complex64.val())] = multiply_complex_tile;
}

void add_matmul_tiles_of_pairs([[maybe_unused]] cpu::MatmulKernels& kernels) {
#ifdef __AVX512BF16__
  const int dtype = static_cast<int>(bfloat16.val());
  kernels.tile[dtype] = multiply_tile_of_pairs;
  kernels.pack_b[dtype] = pack_blocks_of_pairs;
#endif
}

}  // namespace tarn::HWY_NAMESPACE
