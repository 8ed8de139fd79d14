#include "tarn/kernels/cpu/scatter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <utility>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/index_positions.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/scatter_order.h"
#include "tarn/kernels/cpu/scatter_rows.h"

namespace tarn::cpu {

namespace {

// Note [Order of updates]
// Updates are sorted, in groups, by where they go. Then the array is cut into ranges, and a task
// applies to its range what each group in turn has for it. So no place has two writers, the order
// of updates of a place is theirs, and memory is walked in its order. Groups are taken so many at a
// time, which bounds the memory for sorting.
constexpr int64_t kGroup = PlacedUpdate::kMaxGroup;
constexpr int64_t kGroupsAtOnce = 16;
constexpr int64_t kAtOnce = kGroup * kGroupsAtOnce;
constexpr int64_t kMaxRanges = 64;
constexpr int64_t kTaskBytes = 64 << 10;

// Puts rows, `updates` one behind the other, to the positions. The rows at two positions are either
// the same elements of the array or have none in common.
class RowScatter {
 public:
  RowScatter(ScatterMode mode, IndexPositions& positions, int64_t row_size, const View& updates,
             const View& to)
      : positions_(positions),
        row_size_(row_size),
        updates_(updates),
        to_(to),
        updater_(mode, to.dtype, row_size),
        sorted_(new PlacedUpdate[std::min(positions.size(), kAtOnce)]),
        scratch_(new PlacedUpdate[std::min(positions.size(), kAtOnce)]) {}

  // Nothing throws once `to` has been written to: it may be the memory of an input.
  void run(const View& a) {
    // What is sorted at once is also checked before it is used.
    if (positions_.size() > kAtOnce) positions_.check();
    for (int64_t begin = 0; begin < positions_.size(); begin += kAtOnce) {
      const int64_t n = std::min(kAtOnce, positions_.size() - begin);
      sort(begin, n);
      if (begin == 0 && to_.data != a.data) copy(a, to_);
      apply(begin, n);
    }
  }

 private:
  void sort(int64_t begin, int64_t n) {
    const int64_t n_groups = (n + kGroup - 1) / kGroup;
    parallel_ranges(n_groups, 1, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        const int64_t first = r.begin * kGroup;
        sort_group(begin + first, {sorted_.get() + first, size_t(std::min(kGroup, n - first))},
                   scratch_.get() + first);
      }
    });
    positions_.throw_if_out_of_bounds();
  }

  void sort_group(int64_t begin, std::span<PlacedUpdate> group, PlacedUpdate* scratch) {
    constexpr size_t kBatch = 256;
    IndexPositions::Reader reader(positions_, begin);
    int64_t offsets[kBatch];
    for (size_t i = 0; i < group.size(); i += kBatch) {
      const size_t n = std::min(kBatch, group.size() - i);
      if (!reader.next(static_cast<int64_t>(n), offsets)) return;
      for (size_t j = 0; j < n; ++j) {
        group[i + j] = PlacedUpdate(offsets[j], static_cast<int64_t>(i + j));
      }
    }
    sort_by_offset(group, scratch, to_.size);
  }

  void apply(int64_t begin, int64_t n) const {
    constexpr int64_t kColumns = RowUpdater::kMaxColumns;
    const int64_t n_blocks = (row_size_ + kColumns - 1) / kColumns;
    const int64_t block_nbytes = std::min(row_size_, kColumns) * to_.itemsize();
    const int64_t n_ranges = std::clamp<int64_t>(n * block_nbytes / kTaskBytes, 1, kMaxRanges);
    // Ranges that get about as many updates each, by the example of the first group.
    std::array<int64_t, kMaxRanges + 1> ends;
    for (int64_t i = 1; i < n_ranges; ++i) {
      ends[i] = sorted_[i * std::min(n, kGroup) / n_ranges].offset();
    }
    ends[0] = 0;
    ends[n_ranges] = to_.size;

    parallel_ranges(n_ranges * n_blocks, 1, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        const int64_t range = r.begin / n_blocks;
        const int64_t column = r.begin % n_blocks * kColumns;
        const RowBlock block{
            .to = to_.data,
            .updates = updates_.as<const char>() + begin * row_size_ * to_.itemsize(),
            .row_size = row_size_,
            .first_column = column,
            .n_columns = std::min(kColumns, row_size_ - column)};
        apply_range(ends[range], ends[range + 1], block, n);
      }
    });
  }

  // Applies the updates of the n sorted ones that go to [begin, end). `block` is of the first
  // group.
  void apply_range(int64_t begin, int64_t end, RowBlock block, int64_t n) const {
    const auto is_before = [](PlacedUpdate update, int64_t offset) {
      return update.offset() < offset;
    };
    for (int64_t first = 0; first < n; first += kGroup) {
      const PlacedUpdate* const group = sorted_.get() + first;
      const PlacedUpdate* const group_end = group + std::min(kGroup, n - first);
      const auto* const from = std::lower_bound(group, group_end, begin, is_before);
      const auto* const to = std::lower_bound(from, group_end, end, is_before);
      updater_.apply(block, {from, to});
      block.updates = static_cast<const char*>(block.updates) + kGroup * row_size_ * to_.itemsize();
    }
  }

  IndexPositions& positions_;
  const int64_t row_size_;
  const View updates_;
  const View to_;
  const RowUpdater updater_;
  const std::unique_ptr<PlacedUpdate[]> sorted_;
  const std::unique_ptr<PlacedUpdate[]> scratch_;
};

// How many of the last axes a slice spans as one piece of a row-major array: axes that are not
// indexed and, but for the first of them, covered.
int n_row_axes(const View& a, std::span<const int> axes, const int32_t* slice_shape) {
  int first = a.ndim;
  while (first > 0) {
    const int axis = first - 1;
    const bool is_indexed = std::find(axes.begin(), axes.end(), axis) != axes.end();
    const bool extends = first == a.ndim || slice_shape[first] == a.shape[first];
    if (is_indexed || !extends) break;
    first = axis;
  }
  return a.ndim - first;
}

}  // namespace

void scatter(ScatterMode mode, const View& a, std::span<const View> indices,
             std::span<const int> axes, const View& updates, const View& to) {
  assert(is_row_contiguous(updates) && is_row_contiguous(to) && indices.size() == axes.size());
  const int index_ndim = updates.ndim - a.ndim;
  const int32_t* const slice_shape = updates.shape + index_ndim;
  // The dimensions of the positions: those of the indices, then the axes before the rows.
  const int ndim = updates.ndim - n_row_axes(a, axes, slice_shape);
  Shape shape(updates.shape, updates.shape + ndim);
  int64_t row_size = 1;
  for (int d = ndim; d < updates.ndim; ++d) row_size *= updates.shape[d];

  Strides base(static_cast<size_t>(index_ndim), 0);
  base.insert(base.end(), to.strides, to.strides + (ndim - index_ndim));
  std::vector<AxisIndices> along;
  for (size_t k = 0; k < axes.size(); ++k) {
    Strides strides(indices[k].strides, indices[k].strides + index_ndim);
    strides.resize(static_cast<size_t>(ndim), 0);
    along.push_back({.data = indices[k].data,
                     .dtype = indices[k].dtype,
                     .strides = std::move(strides),
                     .axis = axes[k],
                     .dim = a.shape[axes[k]],
                     .slice = slice_shape[axes[k]],
                     .stride = to.strides[axes[k]]});
  }
  if (size_of_shape(shape) == 0) {
    if (to.data != a.data) copy(a, to);
    return;
  }
  IndexPositions positions(kScatterNames[static_cast<int>(mode)], std::move(shape), std::move(base),
                           std::move(along));
  RowScatter(mode, positions, row_size, updates, to).run(a);
}

void scatter_axis(ScatterMode mode, const View& a, const View& indices, int axis,
                  const View& updates, const View& to) {
  assert(is_row_contiguous(updates) && is_row_contiguous(to));
  if (indices.size == 0) {
    if (to.data != a.data) copy(a, to);
    return;
  }
  IndexPositions positions =
      positions_along_axis(kScatterAxisNames[static_cast<int>(mode)], to, indices, axis);
  RowScatter(mode, positions, 1, updates, to).run(a);
}

}  // namespace tarn::cpu
