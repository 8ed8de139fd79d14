#include "tarn/kernels/cpu/creation.h"

#include <algorithm>
#include <cassert>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/base/shape.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kTaskElements = 32 << 10;
// Elements that are converted, or stored past the caches, at a time.
constexpr int32_t kPieceElements = 2 << 10;

}  // namespace

void fill(const void* value, const View& to) {
  const Strides nowhere(static_cast<size_t>(to.ndim), 0);
  copy({const_cast<void*>(value), to.shape, nowhere.data(), to.ndim, to.dtype, to.size}, to);
}

void arange(double start, double step, const View& to) {
  assert(is_row_contiguous(to) && to.dtype != bool_);
  RangeWriter write = kernels().arange[index_of(to.dtype)];
  TileKernel convert{};
  if (write == nullptr) {  // 16-bit floats and complex numbers
    write = kernels().arange[index_of(float32)];
    convert = kernels().cast[index_of(float32)][index_of(to.dtype)];
  }
  const bool streams = to.nbytes() >= kStreamBytes;
  const int64_t step_elements = convert || streams ? kPieceElements : kTaskElements;
  parallel_ranges(to.size, kTaskElements, [&](RangeQueue& queue) {
    alignas(64) std::byte numbers[kPieceElements * sizeof(float)];
    alignas(64) std::byte staging[kPieceElements * sizeof(double)];
    for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
      for (int64_t i = r.begin; i < r.end; i += step_elements) {
        const int64_t n = std::min(step_elements, r.end - i);
        char* const out = to.as<char>() + i * to.itemsize();
        void* const staged = streams ? staging : static_cast<void*>(out);
        write(convert ? numbers : staged, start, step, i, static_cast<int32_t>(n));
        if (convert) convert(staged, numbers, nullptr, nullptr, size_t(n));
        if (streams) stream_copy(out, staged, size_t(n * to.itemsize()), nullptr);
      }
    }
    if (streams) stream_fence();
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
