#include "tarn/kernels/cpu/indexing.h"

#include <xmmintrin.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/index_positions.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

// Positions that are resolved together: enough reads in flight to hide the latency of memory, few
// enough that what they prefetch is still in the first-level cache when it is used.
constexpr int64_t kBatch = 128;
constexpr int64_t kTaskBytes = 64 << 10;
// A longer row is fetched ahead by the hardware once its first lines have been asked for.
constexpr int64_t kPrefetchedBytes = 256;
// From here on the threads share the row rather than the rows.
constexpr int64_t kLargeRowBytes = 1 << 20;

// Copies the rows of `from`, blocks of any layout, that begin at the positions: one behind the
// other.
class RowGather {
 public:
  RowGather(const View& from, IndexPositions& positions, Shape shape, Strides strides,
            const View& to)
      : from_(from),
        positions_(positions),
        to_(to),
        shape_(std::move(shape)),
        strides_(std::move(strides)),
        to_strides_(row_major_strides(shape_)),
        size_(size_of_shape(shape_)),
        nbytes_(size_ * from.itemsize()),
        stream_(to.nbytes() >= kStreamBytes) {
    Strides both[] = {strides_, to_strides_};
    collapse_dims(shape_, both);
    strides_ = std::move(both[0]);
    to_strides_ = std::move(both[1]);
    is_dense_ = shape_.empty() || (shape_.size() == 1 && strides_[0] == 1);
  }

  void run() {
    if (nbytes_ == 0) return positions_.check();
    if (nbytes_ >= kLargeRowBytes) {
      copy_large_rows();
    } else {
      const int64_t grain = std::clamp<int64_t>(kTaskBytes / nbytes_, 1, 32 * kBatch);
      parallel_ranges(positions_.size(), grain, [&](RangeQueue& queue) {
        for (auto r = queue.next(); r.begin < r.end; r = queue.next()) copy_rows(r.begin, r.end);
        if (stream_) stream_fence();
      });
    }
    positions_.throw_if_out_of_bounds();
  }

 private:
  const char* source(int64_t offset) const {
    return from_.as<const char>() + offset * from_.itemsize();
  }
  char* target(int64_t row) const { return to_.as<char>() + row * nbytes_; }

  void copy_large_rows() {
    IndexPositions::Reader reader(positions_, 0);
    int64_t offset;
    for (int64_t row = 0; row < positions_.size() && reader.next(1, &offset); ++row) {
      copy(row_view(const_cast<char*>(source(offset)), strides_),
           row_view(target(row), to_strides_));
    }
  }

  View row_view(char* data, const Strides& strides) const {
    return {data,        shape_.data(), strides.data(), static_cast<int>(shape_.size()),
            from_.dtype, size_};
  }

  void copy_rows(int64_t begin, int64_t end) {
    IndexPositions::Reader reader(positions_, begin);
    int64_t offsets[kBatch];
    for (int64_t row = begin; row < end; row += kBatch) {
      const int64_t n = std::min(kBatch, end - row);
      if (!reader.next(n, offsets)) return;
      for (int64_t i = 0; i < n; ++i) prefetch(source(offsets[i]));
      copy_batch(offsets, n, target(row));
    }
  }

  void prefetch(const char* row) const {
    const int64_t nbytes = is_dense_ ? std::min(nbytes_, kPrefetchedBytes) : 1;
    for (int64_t b = 0; b < nbytes; b += 64) _mm_prefetch(row + b, _MM_HINT_T0);
  }

  void copy_batch(const int64_t* offsets, int64_t n, char* to) const {
    if (!is_dense_) {
      for (int64_t i = 0; i < n; ++i, to += nbytes_) {
        cpu::gather(to, source(offsets[i]), shape_, strides_.data(), 0, size_,
                    static_cast<int>(from_.itemsize()));
      }
      return;
    }
    switch (nbytes_) {
      case 1:
        return copy_small<1>(offsets, n, to);
      case 2:
        return copy_small<2>(offsets, n, to);
      case 4:
        return copy_small<4>(offsets, n, to);
      case 8:
        return copy_small<8>(offsets, n, to);
      case 16:
        return copy_small<16>(offsets, n, to);
    }
    for (int64_t i = 0; i < n; ++i) {
      const char* const next = i + 1 < n ? source(offsets[i + 1]) : nullptr;
      write(to + i * nbytes_, source(offsets[i]), nbytes_, next);
    }
  }

  template <int kBytes>
  void copy_small(const int64_t* offsets, int64_t n, char* to) const {
    alignas(64) char rows[kBatch * kBytes];
    for (int64_t i = 0; i < n; ++i) std::memcpy(rows + i * kBytes, source(offsets[i]), kBytes);
    write(to, rows, n * kBytes, nullptr);
  }

  // `next`: what will be read after it, or null.
  void write(char* to, const char* from, int64_t nbytes, const char* next) const {
    if (stream_) {
      stream_copy(to, from, static_cast<size_t>(nbytes), next);
    } else {
      std::memcpy(to, from, static_cast<size_t>(nbytes));
    }
  }

  const View from_;
  IndexPositions& positions_;
  const View to_;
  Shape shape_;  // of a row
  Strides strides_;
  Strides to_strides_;
  const int64_t size_;
  const int64_t nbytes_;
  const bool stream_;
  bool is_dense_;
};

Shape dims(const View& view, int begin, int end) {
  return Shape(view.shape + begin, view.shape + end);
}
Strides strides(const View& view, int begin, int end) {
  return Strides(view.strides + begin, view.strides + end);
}
Strides join(Strides a, const Strides& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
bool has_none(const Shape& shape) { return std::count(shape.begin(), shape.end(), 0) > 0; }

}  // namespace

void take(const View& from, const View& indices, int axis, const View& to) {
  assert(is_row_contiguous(to) && from.dtype == to.dtype);
  Shape shape = dims(to, 0, axis + indices.ndim);
  if (has_none(shape)) return;
  AxisIndices along{
      .data = indices.data,
      .dtype = indices.dtype,
      .strides = join(Strides(static_cast<size_t>(axis), 0), strides(indices, 0, indices.ndim)),
      .axis = axis,
      .dim = from.shape[axis],
      .stride = from.strides[axis]};
  Strides base = join(strides(from, 0, axis), Strides(static_cast<size_t>(indices.ndim), 0));
  IndexPositions positions("take", std::move(shape), std::move(base), {std::move(along)});
  RowGather(from, positions, dims(from, axis + 1, from.ndim), strides(from, axis + 1, from.ndim),
            to)
      .run();
}

void take_along_axis(const View& from, const View& indices, int axis, const View& to) {
  assert(is_row_contiguous(to) && from.dtype == to.dtype);
  if (to.size == 0) return;
  IndexPositions positions = positions_along_axis("take_along_axis", from, indices, axis);
  RowGather(from, positions, {}, {}, to).run();
}

void gather(const View& from, std::span<const View> indices, std::span<const int> axes,
            const View& to) {
  assert(is_row_contiguous(to) && from.dtype == to.dtype && indices.size() == axes.size());
  const int index_ndim = to.ndim - from.ndim;
  Shape shape = dims(to, 0, index_ndim);
  if (has_none(shape)) return;
  std::vector<AxisIndices> along;
  for (size_t k = 0; k < axes.size(); ++k) {
    along.push_back({.data = indices[k].data,
                     .dtype = indices[k].dtype,
                     .strides = strides(indices[k], 0, index_ndim),
                     .axis = axes[k],
                     .dim = from.shape[axes[k]],
                     .slice = to.shape[index_ndim + axes[k]],
                     .stride = from.strides[axes[k]]});
  }
  IndexPositions positions("gather", std::move(shape), Strides(static_cast<size_t>(index_ndim), 0),
                           std::move(along));
  RowGather(from, positions, dims(to, index_ndim, to.ndim), strides(from, 0, from.ndim), to).run();
}

void dynamic_slice(const View& from, const View& start, std::span<const int> axes, const View& to) {
  assert(is_row_contiguous(to) && from.dtype == to.dtype);
  IndexPositions position = slice_position("slice", from, start, axes, to.shape);
  RowGather(from, position, dims(to, 0, to.ndim), strides(from, 0, from.ndim), to).run();
}

}  // namespace tarn::cpu
