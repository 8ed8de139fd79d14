#include "tarn/kernels/cpu/slice_update.h"

#include <cassert>

#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/index_positions.h"

namespace tarn::cpu {

void slice_update(const View& a, const View& update, const ResolvedSlice& bounds, const View& to) {
  assert(is_row_contiguous(to));
  if (to.data != a.data) copy(a, to);
  const Layout part = slice(
      {Shape(to.shape, to.shape + to.ndim), Strides(to.strides, to.strides + to.ndim), 0}, bounds);
  copy(update, {to.as<char>() + part.offset * to.itemsize(), part.shape.data(), part.strides.data(),
                to.ndim, to.dtype, update.size});
}

void dynamic_slice_update(const View& a, const View& update, const View& start,
                          std::span<const int> axes, const View& to) {
  assert(is_row_contiguous(to));
  IndexPositions position = slice_position("slice_update", to, start, axes, update.shape);
  int64_t offset = 0;
  IndexPositions::Reader(position, 0).next(1, &offset);
  position.throw_if_out_of_bounds();
  if (to.data != a.data) copy(a, to);
  copy(update, {to.as<char>() + offset * to.itemsize(), update.shape, to.strides, to.ndim, to.dtype,
                update.size});
}

}  // namespace tarn::cpu
