#include "tarn/kernels/cpu/index_positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <type_traits>
#include <utility>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

template <class Index>
inline constexpr bool kIsIndex = std::is_integral_v<Index> && !std::is_same_v<Index, bool>;

// Calls f(Index{}) with the type of the indices.
template <class F>
auto visit_index(Dtype dtype, F f) {
  return visit(dtype, [&](auto tag) {
    using Index = typename decltype(tag)::type;
    if constexpr (kIsIndex<Index>) {
      return f(Index{});
    } else {
      assert(false && "indices of this type");
      return f(int64_t{});
    }
  });
}

// Counted from the front. One that is out of bounds is no less than dim - slice + 1: unsigned
// arithmetic wraps.
template <class Index>
uint64_t from_front(Index index, int64_t dim) {
  return static_cast<uint64_t>(index) + (index < Index{0} ? static_cast<uint64_t>(dim) : 0);
}

uint64_t n_starts(const AxisIndices& axis) {
  return static_cast<uint64_t>(std::max<int64_t>(0, axis.dim - axis.slice + 1));
}

// Adds what n indices, `step` elements apart, contribute to the offsets. Returns whether all are in
// bounds.
template <class Index>
bool add_indices(const AxisIndices& axis, const Index* indices, int64_t step, int64_t n,
                 int64_t* offsets) {
  const uint64_t end = n_starts(axis);
  const uint64_t stride = static_cast<uint64_t>(axis.stride);
  bool all_fit = true;
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t index = from_front(indices[i * step], axis.dim);
    all_fit &= index < end;
    offsets[i] = static_cast<int64_t>(static_cast<uint64_t>(offsets[i]) + index * stride);
  }
  return all_fit;
}

}  // namespace

IndexPositions::IndexPositions(const char* op, Shape shape, Strides base,
                               std::vector<AxisIndices> indices)
    : op_(op), shape_(std::move(shape)), indices_(std::move(indices)) {
  strides_.push_back(std::move(base));
  for (AxisIndices& axis : indices_) strides_.push_back(std::move(axis.strides));
  collapse_dims(shape_, strides_);
  if (shape_.empty()) {
    shape_.push_back(1);
    for (Strides& strides : strides_) strides.push_back(0);
  }
  size_ = size_of_shape(shape_);
}

void IndexPositions::record_bad(int64_t position) {
  int64_t known = first_bad_.load(std::memory_order_relaxed);
  while (position < known &&
         !first_bad_.compare_exchange_weak(known, position, std::memory_order_relaxed)) {
  }
}

void IndexPositions::check() {
  constexpr int64_t kTask = 1 << 15;
  parallel_ranges(size_, kTask, [&](RangeQueue& queue) {
    int64_t offsets[256];
    for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
      Reader reader(*this, r.begin);
      for (int64_t i = r.begin; i < r.end; i += std::ssize(offsets)) {
        if (!reader.next(std::min(r.end - i, std::ssize(offsets)), offsets)) break;
      }
    }
  });
  throw_if_out_of_bounds();
}

void IndexPositions::throw_if_out_of_bounds() const {
  const int64_t bad = first_bad_.load(std::memory_order_relaxed);
  if (bad == kNone) return;
  for (size_t k = 0; k < indices_.size(); ++k) {
    const AxisIndices& axis = indices_[k];
    int64_t offset = 0;
    int64_t rest = bad;
    for (size_t d = shape_.size(); d-- > 0; rest /= shape_[d]) {
      offset += rest % shape_[d] * strides_[1 + k][d];
    }
    visit_index(axis.dtype, [&]<class Index>(Index) {
      const Index index = static_cast<const Index*>(axis.data)[offset];
      if (from_front(index, axis.dim) < n_starts(axis)) return;
      const std::string slice =
          axis.slice == 1 ? "" : fmt::format(", with a slice of {},", axis.slice);
      throw OperationError(FailureKind::index,
                           fmt::format("[{}] index {}{} is out of bounds for axis {} with size {}",
                                       op_, index, slice, axis.axis, axis.dim));
    });
  }
}

IndexPositions::Reader::Reader(IndexPositions& positions, int64_t begin)
    : positions_(positions),
      position_(begin),
      index_(positions.shape_.size(), 0),
      starts_(positions.strides_.size(), 0) {
  for (size_t d = index_.size(); d-- > 0; begin /= positions.shape_[d]) {
    index_[d] = static_cast<int32_t>(begin % positions.shape_[d]);
    for (size_t k = 0; k < starts_.size(); ++k) {
      starts_[k] += index_[d] * positions.strides_[k][d];
    }
  }
}

bool IndexPositions::Reader::next(int64_t n, int64_t* offsets) {
  const int64_t end = position_ + n;
  while (position_ < end) {
    const int64_t run =
        std::min<int64_t>(end - position_, positions_.shape_.back() - index_.back());
    if (!read_run(run, offsets)) {
      positions_.record_bad(position_ + first_bad_of_run(run));
      return false;
    }
    offsets += run;
    advance(run);
  }
  return end <= positions_.first_bad_.load(std::memory_order_relaxed);
}

// The next n positions, all along the last dimension.
bool IndexPositions::Reader::read_run(int64_t n, int64_t* offsets) const {
  const int64_t base_step = positions_.strides_[0].back();
  for (int64_t i = 0; i < n; ++i) offsets[i] = starts_[0] + i * base_step;
  bool all_fit = true;
  for (size_t k = 0; k < positions_.indices_.size(); ++k) {
    const AxisIndices& axis = positions_.indices_[k];
    const int64_t step = positions_.strides_[1 + k].back();
    all_fit &= visit_index(axis.dtype, [&]<class Index>(Index) {
      const Index* const first = static_cast<const Index*>(axis.data) + starts_[1 + k];
      return add_indices(axis, first, step, n, offsets);
    });
  }
  return all_fit;
}

int64_t IndexPositions::Reader::first_bad_of_run(int64_t n) const {
  for (int64_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < positions_.indices_.size(); ++k) {
      const AxisIndices& axis = positions_.indices_[k];
      const int64_t offset = starts_[1 + k] + i * positions_.strides_[1 + k].back();
      const bool fits = visit_index(axis.dtype, [&]<class Index>(Index) {
        return from_front(static_cast<const Index*>(axis.data)[offset], axis.dim) < n_starts(axis);
      });
      if (!fits) return i;
    }
  }
  return n;
}

// Requires: the n positions are along the last dimension.
void IndexPositions::Reader::advance(int64_t n) {
  position_ += n;
  const Shape& shape = positions_.shape_;
  size_t d = shape.size() - 1;
  for (int64_t step = n;; step = 1) {
    index_[d] += static_cast<int32_t>(step);
    for (size_t k = 0; k < starts_.size(); ++k) starts_[k] += step * positions_.strides_[k][d];
    if (index_[d] < shape[d]) return;
    for (size_t k = 0; k < starts_.size(); ++k) {
      starts_[k] -= shape[d] * positions_.strides_[k][d];
    }
    index_[d] = 0;
    if (d-- == 0) return;
  }
}

IndexPositions positions_along_axis(const char* op, const View& indexed, const View& indices,
                                    int axis) {
  AxisIndices along{.data = indices.data,
                    .dtype = indices.dtype,
                    .strides = Strides(indices.strides, indices.strides + indices.ndim),
                    .axis = axis,
                    .dim = indexed.shape[axis],
                    .stride = indexed.strides[axis]};
  Strides base(indexed.strides, indexed.strides + indexed.ndim);
  base[static_cast<size_t>(axis)] = 0;
  return IndexPositions(op, Shape(indices.shape, indices.shape + indices.ndim), std::move(base),
                        {std::move(along)});
}

IndexPositions slice_position(const char* op, const View& indexed, const View& start,
                              std::span<const int> axes, const int32_t* slice_shape) {
  const int64_t step = start.ndim > 0 ? start.strides[0] * start.itemsize() : 0;
  std::vector<AxisIndices> indices;
  for (size_t k = 0; k < axes.size(); ++k) {
    indices.push_back({.data = start.as<const char>() + static_cast<int64_t>(k) * step,
                       .dtype = start.dtype,
                       .strides = {},
                       .axis = axes[k],
                       .dim = indexed.shape[axes[k]],
                       .slice = slice_shape[axes[k]],
                       .stride = indexed.strides[axes[k]]});
  }
  return IndexPositions(op, {}, {}, std::move(indices));
}

}  // namespace tarn::cpu
