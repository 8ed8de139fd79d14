// Vector × matrix: every element of the matrix is used once, so these loops do little but read it,
// as a few sequential streams.
#include <algorithm>

#include "tarn/kernels/cpu/isa/matmul_families.h"
#include "tarn/kernels/cpu/isa/matmul_pack.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::MatvecPart;

// Rows of the matrix whose products with x are summed at once.
constexpr int kDotRows = 4;

// y[r] = x · row r of b, for kR rows.
template <int kR, class E, class T>
void dot_rows(const T* x, const E* b, int64_t stride, int64_t n, T* y) {
  using V = Pack<T>;
  constexpr int64_t kN = V::kLanes;
  const hn::ScalableTag<T> d;
  // Two sums a row, because one would wait for itself; more would not be faster than memory.
  hn::Vec<decltype(d)> sums[kR][2];
  unrolled<kR>([&](auto r) TARN_LAMBDA { sums[r][0] = sums[r][1] = hn::Zero(d); });
  int64_t i = 0;
  for (; i + 2 * kN <= n; i += 2 * kN) {
    unrolled<2>([&](auto half) TARN_LAMBDA {
      const auto xs = hn::LoadU(d, x + i + half * kN);
      unrolled<kR>([&](auto r) TARN_LAMBDA {
        const auto row = load(b + r * stride + i + half * kN).v;
        sums[r][half] = hn::MulAdd(xs, row, sums[r][half]);
      });
    });
  }
  T tails[kR] = {};
  for (; i < n; ++i) {
    unrolled<kR>([&](auto r) TARN_LAMBDA { tails[r] += x[i] * static_cast<T>(b[r * stride + i]); });
  }
  unrolled<kR>([&](auto r) TARN_LAMBDA {
    y[r] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[r][0], sums[r][1]))) + tails[r];
  });
}

template <class E>
void matvec_inner(const MatvecPart& part) {
  using T = ComputeOf<E>;
  const T* const x = static_cast<const T*>(part.x);
  const E* const b = static_cast<const E*>(part.b);
  T* const y = static_cast<T*>(part.y);
  int64_t j = 0;
  for (; j + kDotRows <= part.n_outer; j += kDotRows) {
    dot_rows<kDotRows>(x, b + j * part.stride, part.stride, part.n_inner, y + j);
  }
  for (; j < part.n_outer; ++j) {
    dot_rows<1>(x, b + j * part.stride, part.stride, part.n_inner, y + j);
  }
}

// y (+)= x[0] * row 0 of b + … + x[kR - 1] * row kR - 1.
template <int kR, class E, class T>
void add_rows(const T* x, const E* b, int64_t stride, int64_t n, T* y, bool add) {
  constexpr int64_t kN = Pack<T>::kLanes;
  const hn::ScalableTag<T> d;
  int64_t j = 0;
  for (; j + kN <= n; j += kN) {
    auto sum = add ? hn::LoadU(d, y + j) : hn::Zero(d);
    unrolled<kR>([&](auto r) TARN_LAMBDA {
      sum = hn::MulAdd(hn::Set(d, x[r]), load(b + r * stride + j).v, sum);
    });
    hn::StoreU(sum, d, y + j);
  }
  for (; j < n; ++j) {
    T sum = add ? y[j] : T{0};
    unrolled<kR>([&](auto r) TARN_LAMBDA { sum += x[r] * static_cast<T>(b[r * stride + j]); });
    y[j] = sum;
  }
}

template <class E>
void matvec_outer(const MatvecPart& part) {
  using T = ComputeOf<E>;
  const T* const x = static_cast<const T*>(part.x);
  const E* const b = static_cast<const E*>(part.b);
  T* const y = static_cast<T*>(part.y);
  int64_t i = 0;
  for (; i + cpu::kMatvecRows <= part.n_inner; i += cpu::kMatvecRows) {
    add_rows<cpu::kMatvecRows>(x + i, b + i * part.stride, part.stride, part.n_outer, y, i > 0);
  }
  for (; i < part.n_inner; ++i) {
    add_rows<1>(x + i, b + i * part.stride, part.stride, part.n_outer, y, i > 0);
  }
}

template <class E>
void add_matvec(cpu::MatmulKernels& kernels) {
  kernels.matvec_inner[static_cast<int>(dtype_of<E>.val())] = matvec_inner<E>;
  kernels.matvec_outer[static_cast<int>(dtype_of<E>.val())] = matvec_outer<E>;
}

}  // namespace

void add_matvecs(cpu::MatmulKernels& kernels) {
  add_matvec<float>(kernels);
  add_matvec<double>(kernels);
  add_matvec<float16_t>(kernels);
  add_matvec<bfloat16_t>(kernels);
}

}  // namespace tarn::HWY_NAMESPACE
