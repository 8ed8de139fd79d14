#include "tarn/kernels/cpu/creation.h"

#include <algorithm>
#include <cassert>
#include <type_traits>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/base/shape.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kTaskElements = 32 << 10;

// Conversion with the wrap-around of integer arithmetic where a cast would be undefined.
template <class T>
T wrapped(double x) {
  constexpr double kLimit = 0x1p63;
  if (x >= -kLimit && x < kLimit) return static_cast<T>(static_cast<int64_t>(x));
  if (x >= kLimit && x < 2 * kLimit) return static_cast<T>(static_cast<uint64_t>(x));
  return T{0};
}

// Elements `begin` to `end` of the range, at `to`.
template <class T>
void arange_range(double start, double step, T* to, int64_t begin, int64_t end) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    const uint64_t first = static_cast<uint64_t>(wrapped<T>(start));
    const uint64_t increment = static_cast<uint64_t>(wrapped<T>(start + step)) - first;
    for (int64_t i = begin; i < end; ++i) {
      *to++ = static_cast<T>(static_cast<Unsigned>(first + static_cast<uint64_t>(i) * increment));
    }
  } else {
    using Narrow = std::conditional_t<std::is_same_v<T, double>, double, float>;
    // An infinite step makes one element, which must not become 0 * infinity.
    if (begin == 0) {
      *to++ = T(static_cast<Narrow>(start));
      ++begin;
    }
    // Counted in 32 bits and by a constant: else the compiler takes one element at a time.
    constexpr int kUnrolled = 8;
    static constexpr double kNext[kUnrolled] = {0, 1, 2, 3, 4, 5, 6, 7};
    const auto fill = [&](int n) {
      const double first = static_cast<double>(begin);
      for (int i = 0; i < n; ++i) to[i] = T(static_cast<Narrow>(start + (first + kNext[i]) * step));
    };
    for (; begin + kUnrolled <= end; begin += kUnrolled, to += kUnrolled) fill(kUnrolled);
    fill(static_cast<int>(end - begin));
  }
}

// The same past the caches. A stream_fence() must follow.
template <class T>
void stream_arange(double start, double step, T* to, int64_t begin, int64_t end) {
  constexpr int64_t kPiece = (8 << 10) / sizeof(T);
  T piece[kPiece];
  for (; begin < end; begin += kPiece, to += kPiece) {
    const int64_t n = std::min(kPiece, end - begin);
    arange_range(start, step, piece, begin, begin + n);
    stream_copy(to, piece, n * sizeof(T), nullptr);
  }
}

}  // namespace

void fill(const void* value, const View& to) {
  const Strides nowhere(static_cast<size_t>(to.ndim), 0);
  copy({const_cast<void*>(value), to.shape, nowhere.data(), to.ndim, to.dtype, to.size}, to);
}

void arange(double start, double step, const View& to) {
  assert(is_row_contiguous(to));
  visit(to.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      assert(false && "arange of bool");
    } else {
      const auto write = to.nbytes() >= kStreamBytes ? stream_arange<T> : arange_range<T>;
      T* const data = to.as<T>();
      parallel_ranges(to.size, kTaskElements, [=](RangeQueue& queue) {
        for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
          write(start, step, data + r.begin, r.begin, r.end);
        }
        stream_fence();
      });
    }
  });
}

void eye(int diagonal, const View& to) {
  assert(to.ndim == 2);
  const uint64_t zero = 0;
  fill(&zero, to);
  const int64_t row = std::max<int64_t>(0, -int64_t{diagonal});
  const int64_t col = std::max<int64_t>(0, diagonal);
  const int64_t n = std::min(to.shape[0] - row, to.shape[1] - col);
  visit(to.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* const data = to.as<T>();
    for (int64_t i = 0; i < n; ++i) {
      data[(row + i) * to.strides[0] + (col + i) * to.strides[1]] = T(1);
    }
  });
}

}  // namespace tarn::cpu
