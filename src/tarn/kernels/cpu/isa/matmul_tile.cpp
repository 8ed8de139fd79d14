// One tile of a matrix product: packed in blocks of the depth, multiplied by a kernel that keeps
// its sums in registers.
#include <cstddef>
#include <type_traits>

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

template <class T>
constexpr int64_t kLanes = Pack<T>::kLanes;

// sums (+)= a · b for panels of kR rows and kV vectors of columns.
template <class T, int kR, int kV>
void multiply_panels(const T* a, const T* b, int64_t depth, T* sums, int64_t stride, bool add) {
  const hn::ScalableTag<T> d;
  hn::Vec<hn::ScalableTag<T>> acc[kR][kV];
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA { acc[r][v] = hn::Zero(d); });
  });
  for (int64_t p = 0; p < depth; ++p, a += kR, b += kV * kLanes<T>) {
    hn::Vec<hn::ScalableTag<T>> row[kV];
    unrolled<kV>([&](auto v) TARN_LAMBDA { row[v] = hn::LoadU(d, b + v * kLanes<T>); });
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      const auto x = hn::Set(d, a[r]);
      unrolled<kV>([&](auto v) TARN_LAMBDA { acc[r][v] = hn::MulAdd(x, row[v], acc[r][v]); });
    });
  }
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      T* const to = sums + r * stride + v * kLanes<T>;
      hn::StoreU(add ? hn::Add(acc[r][v], hn::LoadU(d, to)) : acc[r][v], d, to);
    });
  });
}

// The same for matrices as they are: c = a · b, rows of b and c of kV vectors less what `last`
// masks off.
template <class T, int kR, int kV>
void multiply_in_place(const MatmulTile& t, int64_t row, int64_t col, int64_t n_last) {
  const hn::ScalableTag<T> d;
  const auto last = hn::FirstN(d, static_cast<size_t>(n_last));
  const T* a = static_cast<const T*>(t.a) + row * t.a_row;
  const T* b = static_cast<const T*>(t.b) + col;
  hn::Vec<hn::ScalableTag<T>> acc[kR][kV];
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA { acc[r][v] = hn::Zero(d); });
  });
  for (int64_t p = 0; p < t.k; ++p, a += t.a_col, b += t.b_row) {
    hn::Vec<hn::ScalableTag<T>> vectors[kV];
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      const T* const from = b + v * kLanes<T>;
      vectors[v] = v + 1 == kV ? hn::MaskedLoad(last, d, from) : hn::LoadU(d, from);
    });
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      const auto x = hn::Set(d, a[r * t.a_row]);
      unrolled<kV>([&](auto v) TARN_LAMBDA { acc[r][v] = hn::MulAdd(x, vectors[v], acc[r][v]); });
    });
  }
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    unrolled<kV>([&](auto v) TARN_LAMBDA {
      T* const to = static_cast<T*>(t.c) + (row + r) * t.c_row + col + v * kLanes<T>;
      if (v + 1 == kV) {
        hn::BlendedStore(acc[r][v], last, d, to);
      } else {
        hn::StoreU(acc[r][v], d, to);
      }
    });
  });
}

template <class T>
using PanelKernel = void (*)(const T*, const T*, int64_t, T*, int64_t, bool);

template <class T, int... kI>
constexpr auto panel_kernels(std::integer_sequence<int, kI...>) {
  struct Table {
    PanelKernel<T> kernels[kRows * kVectors];
  };
  return Table{{multiply_panels<T, 1 + kI / kVectors, 1 + kI % kVectors>...}};
}

template <class T>
PanelKernel<T> panel_kernel(int rows, int vectors) {
  static constexpr auto kTable =
      panel_kernels<T>(std::make_integer_sequence<int, kRows * kVectors>{});
  return kTable.kernels[(rows - 1) * kVectors + vectors - 1];
}

// Vectors of the next panel when `left` remain: two panels of two are better than three and one.
int panel_vectors(int64_t left) {
  return left == 4 ? 2 : static_cast<int>(std::min<int64_t>(left, kVectors));
}

template <class T>
using InPlaceKernel = void (*)(const MatmulTile&, int64_t, int64_t, int64_t);

template <class T, int... kI>
constexpr auto in_place_kernels(std::integer_sequence<int, kI...>) {
  struct Table {
    InPlaceKernel<T> kernels[kRows * kVectors];
  };
  return Table{{multiply_in_place<T, 1 + kI / kVectors, 1 + kI % kVectors>...}};
}

// Below this size in elements, a and b together, packing takes longer than it saves: all of them
// stay in the first-level cache.
constexpr int64_t kMaxInPlace = 4096;

template <class T>
bool suits_in_place(const MatmulTile& t) {
  return t.b_col == 1 && t.m * t.k + t.k * t.n <= kMaxInPlace;
}

template <class T>
void multiply_tile_in_place(const MatmulTile& t) {
  static constexpr auto kTable =
      in_place_kernels<T>(std::make_integer_sequence<int, kRows * kVectors>{});
  for (int64_t col = 0; col < t.n;) {
    const int64_t left = (t.n - col + kLanes<T> - 1) / kLanes<T>;
    const int vectors = panel_vectors(left);
    const int64_t width = std::min(t.n - col, vectors * kLanes<T>);
    const int64_t n_last = width - (vectors - 1) * kLanes<T>;
    for (int64_t row = 0; row < t.m; row += kRows) {
      const int rows = static_cast<int>(std::min<int64_t>(kRows, t.m - row));
      kTable.kernels[(rows - 1) * kVectors + vectors - 1](t, row, col, n_last);
    }
    col += width;
  }
}

int64_t padded(int64_t n, int64_t lanes) { return (n + lanes - 1) / lanes * lanes; }

template <class T, class E>
void pack_a(T* to, const E* a, int64_t row_stride, int64_t col_stride, int64_t m, int64_t depth) {
  for (int64_t i = 0; i < m; i += kRows, to += kRows * depth) {
    const int64_t rows = std::min<int64_t>(kRows, m - i);
    pack_panel(to, rows, a + i * row_stride, row_stride, col_stride, rows, depth);
  }
}

template <class T, class E>
void pack_b(T* to, const E* b, int64_t row_stride, int64_t col_stride, int64_t n, int64_t depth) {
  for (int64_t j = 0; j < n;) {
    const int64_t width = panel_vectors((n - j + kLanes<T> - 1) / kLanes<T>) * kLanes<T>;
    pack_panel(to, width, b + j * col_stride, col_stride, row_stride, std::min(width, n - j),
               depth);
    to += width * depth;
    j += width;
  }
}

// sums (+)= a · b, both packed.
template <class T>
void multiply_packed(const T* a, const T* b, int64_t m, int64_t n, int64_t depth, T* sums,
                     bool add) {
  const int64_t stride = padded(n, kLanes<T>);
  // Columns outside: a panel of b stays near the first-level cache while those of a, which are a
  // fraction of its size, pass by.
  for (int64_t j = 0; j < stride;) {
    const int vectors = panel_vectors((stride - j) / kLanes<T>);
    for (int64_t i = 0; i < m; i += kRows) {
      const int rows = static_cast<int>(std::min<int64_t>(kRows, m - i));
      panel_kernel<T>(rows, vectors)(a + i * depth, b + j * depth, depth, sums + i * stride + j,
                                     stride, add);
    }
    j += vectors * kLanes<T>;
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
void multiply_tile(const MatmulTile& t, void* scratch) {
  using T = ComputeOf<E>;
  if constexpr (std::is_same_v<T, E>) {
    if (suits_in_place<T>(t)) return multiply_tile_in_place<T>(t);
  }
  const int64_t stride = padded(t.n, kLanes<T>);
  T* const sums = static_cast<T*>(scratch);
  T* const packed_b = sums + t.m * stride;
  T* const packed_a = packed_b + stride * std::min(t.k, kDepth);
  const E* a = static_cast<const E*>(t.a);
  const E* b = static_cast<const E*>(t.b);
  for (int64_t p = 0; p < t.k; p += kDepth) {
    const int64_t depth = std::min(kDepth, t.k - p);
    pack_a(packed_a, a + p * t.a_col, t.a_row, t.a_col, t.m, depth);
    pack_b(packed_b, b + p * t.b_row, t.b_row, t.b_col, t.n, depth);
    multiply_packed(packed_a, packed_b, t.m, t.n, depth, sums, p > 0);
  }
  for (int64_t i = 0; i < t.m; ++i)
    store_row(static_cast<E*>(t.c) + i * t.c_row, sums + i * stride, t.n);
}

// (ar + i ai)(br + i bi), as four real products of packed parts. Complex numbers are pairs of
// floats here: the functions of complex64_t must not be instantiated.
void multiply_complex_tile(const MatmulTile& t, void* scratch) {
  const int64_t stride = padded(t.n, kLanes<float>);
  const int64_t depth_max = std::min(t.k, kDepth);
  float* const real_sums = static_cast<float*>(scratch);
  float* const imag_sums = real_sums + t.m * stride;
  float* const b_real = imag_sums + t.m * stride;
  float* const b_imag = b_real + stride * depth_max;
  float* const a_real = b_imag + stride * depth_max;
  float* const a_imag = a_real + t.m * depth_max;
  const float* a = static_cast<const float*>(t.a);
  const float* b = static_cast<const float*>(t.b);
  for (int64_t p = 0; p < t.k; p += kDepth) {
    const int64_t depth = std::min(kDepth, t.k - p);
    const float* const a_block = a + 2 * p * t.a_col;
    const float* const b_block = b + 2 * p * t.b_row;
    pack_a(a_real, a_block, 2 * t.a_row, 2 * t.a_col, t.m, depth);
    pack_a(a_imag, a_block + 1, 2 * t.a_row, 2 * t.a_col, t.m, depth);
    pack_b(b_real, b_block, 2 * t.b_row, 2 * t.b_col, t.n, depth);
    pack_b(b_imag, b_block + 1, 2 * t.b_row, 2 * t.b_col, t.n, depth);
    multiply_packed(a_real, b_real, t.m, t.n, depth, real_sums, p > 0);
    multiply_packed(a_real, b_imag, t.m, t.n, depth, imag_sums, p > 0);
    multiply_packed(a_imag, b_real, t.m, t.n, depth, imag_sums, true);
    for (int64_t i = 0; i < t.m * depth; ++i) a_imag[i] = -a_imag[i];
    multiply_packed(a_imag, b_imag, t.m, t.n, depth, real_sums, true);
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
  kernels.tile[static_cast<int>(dtype_of<E>.val())] = multiply_tile<E>;
}

}  // namespace

void add_matmul_tiles(cpu::MatmulKernels& kernels) {
  add_tile<float>(kernels);
  add_tile<double>(kernels);
  add_tile<float16_t>(kernels);
  add_tile<bfloat16_t>(kernels);
  kernels.tile[static_cast<int>(complex64.val())] = multiply_complex_tile;
}

}  // namespace tarn::HWY_NAMESPACE
