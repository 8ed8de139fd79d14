#include "tarn/kernels/cpu/indexing.h"

#include <fmt/format.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

// Indices that are resolved together: enough reads in flight to hide the latency of memory, few
// enough that what they prefetch is still in the first-level cache when it is used.
constexpr int64_t kBatch = 128;
constexpr int64_t kTaskBytes = 64 << 10;
// A longer row is fetched ahead by the hardware once its first line has been asked for.
constexpr int64_t kPrefetchedBytes = 256;

Shape sub_shape(const View& view, int begin, int end) {
  return Shape(view.shape + begin, view.shape + end);
}
Strides sub_strides(const View& view, int begin, int end) {
  return Strides(view.strides + begin, view.strides + end);
}

// Whether the index, counted from the end if negative, lies in [0, dim).
template <class Index>
bool resolve(Index index, int64_t dim, int64_t& resolved) {
  if constexpr (std::is_signed_v<Index>) {
    resolved = index < 0 ? int64_t{index} + dim : int64_t{index};
    return resolved >= 0 && resolved < dim;
  } else {
    resolved = static_cast<int64_t>(index);
    return index < static_cast<uint64_t>(dim);
  }
}

// take() as a list of rows: row (o, i) is what lies behind one index, for one outer position.
template <class Index>
class Take {
 public:
  Take(const View& from, const View& indices, int axis, const View& to)
      : from_(from),
        indices_(indices),
        axis_(axis),
        to_(to),
        outer_shape_(sub_shape(from, 0, axis)),
        outer_strides_(sub_strides(from, 0, axis)),
        row_shape_(sub_shape(from, axis + 1, from.ndim)),
        row_strides_(sub_strides(from, axis + 1, from.ndim)),
        to_row_strides_(row_major_strides(row_shape_)),
        index_shape_(sub_shape(indices, 0, indices.ndim)),
        index_strides_(sub_strides(indices, 0, indices.ndim)),
        row_size_(size_of_shape(row_shape_)),
        row_bytes_(row_size_ * from.itemsize()) {
    collapse_dims(outer_shape_, {&outer_strides_, 1});
    collapse_dims(index_shape_, {&index_strides_, 1});
    rows_are_dense_ = is_row_contiguous(row_view(nullptr, row_strides_));
  }

  void run() {
    const int64_t n_rows = size_of_shape(outer_shape_) * indices_.size;
    const int64_t grain = std::clamp<int64_t>(kTaskBytes / row_bytes_, 1, 32 * kBatch);
    parallel_ranges(n_rows, grain, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) take_rows(r.begin, r.end);
    });
    const int64_t bad = first_bad_.load(std::memory_order_relaxed);
    if (bad != kNone) throw_out_of_bounds(bad);
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  int row_ndim() const { return static_cast<int>(row_shape_.size()); }

  void take_rows(int64_t begin, int64_t end) {
    StridedIndex<1> outer(outer_shape_, {outer_strides_.data()});
    StridedIndex<1> index(index_shape_, {index_strides_.data()});
    outer.seek(begin / indices_.size);
    int64_t position = begin % indices_.size;
    index.seek(position);

    const char* sources[kBatch];
    for (int64_t row = begin; row < end;) {
      const int64_t n = std::min({kBatch, end - row, indices_.size - position});
      const char* const base = from_.as<const char>() + outer.offset(0) * from_.itemsize();
      if (!resolve_batch(index, base, position, n, sources)) return;
      copy_batch(sources, n, to_.as<char>() + row * row_bytes_);
      row += n;
      position += n;
      if (position == indices_.size) {
        position = 0;
        outer.next();
      }
    }
  }

  // Where the rows behind the next n indices begin. False if one of them is out of bounds, or if a
  // worse one is known already: then nothing that is left to do matters.
  bool resolve_batch(StridedIndex<1>& index, const char* base, int64_t position, int64_t n,
                     const char** sources) {
    const int64_t dim = from_.shape[axis_];
    const int64_t stride = from_.strides[axis_] * from_.itemsize();
    for (int64_t i = 0; i < n; ++i, index.next()) {
      int64_t resolved;
      if (!resolve(indices_.as<const Index>()[index.offset(0)], dim, resolved)) [[unlikely]] {
        record_bad(position + i);
        return false;
      }
      sources[i] = base + resolved * stride;
      for (int64_t b = 0; b < std::min(row_bytes_, kPrefetchedBytes); b += 64) {
        _mm_prefetch(sources[i] + b, _MM_HINT_T0);
      }
    }
    return position < first_bad_.load(std::memory_order_relaxed);
  }

  void copy_batch(const char* const* sources, int64_t n, char* to) const {
    if (!rows_are_dense_) {
      for (int64_t i = 0; i < n; ++i) {
        copy(row_view(const_cast<char*>(sources[i]), row_strides_),
             row_view(to + i * row_bytes_, to_row_strides_));
      }
      return;
    }
    switch (row_bytes_) {
      case 1:
        return copy_small<1>(sources, n, to);
      case 2:
        return copy_small<2>(sources, n, to);
      case 4:
        return copy_small<4>(sources, n, to);
      case 8:
        return copy_small<8>(sources, n, to);
      case 16:
        return copy_small<16>(sources, n, to);
    }
    for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * row_bytes_, sources[i], row_bytes_);
  }

  template <int kBytes>
  static void copy_small(const char* const* sources, int64_t n, char* to) {
    for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * kBytes, sources[i], kBytes);
  }

  View row_view(char* data, const Strides& strides) const {
    return {data, row_shape_.data(), strides.data(), row_ndim(), from_.dtype, row_size_};
  }

  void record_bad(int64_t position) {
    int64_t known = first_bad_.load(std::memory_order_relaxed);
    while (position < known &&
           !first_bad_.compare_exchange_weak(known, position, std::memory_order_relaxed)) {
    }
  }

  [[noreturn]] void throw_out_of_bounds(int64_t position) const {
    StridedIndex<1> index(index_shape_, {index_strides_.data()});
    index.seek(position);
    throw OperationError(
        FailureKind::index,
        fmt::format("[take] index {} is out of bounds for axis {} with size {}",
                    indices_.as<const Index>()[index.offset(0)], axis_, from_.shape[axis_]));
  }

  const View from_, indices_;
  const int axis_;
  const View to_;
  Shape outer_shape_;
  Strides outer_strides_;
  Shape row_shape_;
  Strides row_strides_;
  Strides to_row_strides_;
  Shape index_shape_;
  Strides index_strides_;
  const int64_t row_size_;
  const int64_t row_bytes_;
  bool rows_are_dense_;
  // The position of the first index out of bounds that is known. It does not depend on the order of
  // tasks: a task gives up only on indices behind it.
  std::atomic<int64_t> first_bad_{kNone};
};

}  // namespace

void take(const View& from, const View& indices, int axis, const View& to) {
  assert(is_row_contiguous(to) && from.dtype == to.dtype);
  if (to.size == 0) return;
  visit(indices.dtype, [&](auto tag) {
    using Index = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<Index> && !std::is_same_v<Index, bool>) {
      Take<Index>(from, indices, axis, to).run();
    } else {
      assert(false && "indices of this type");
    }
  });
}

}  // namespace tarn::cpu
