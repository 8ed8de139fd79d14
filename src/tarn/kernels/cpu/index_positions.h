// Where in an array the slices begin that index arrays name. Every index is checked; negative ones
// count from the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tarn/base/shape.h"
#include "tarn/base/view.h"

namespace tarn::cpu {

// Indices along one axis of another array. Borrows the memory.
struct AxisIndices {
  const void* data;
  Dtype dtype;        // an integer type
  Strides strides;    // one per dimension of the positions, in elements
  int axis;           // for messages
  int64_t dim;        // of the axis
  int64_t slice = 1;  // elements of the axis, from the index on, that must exist
  int64_t stride;     // of the axis, in elements of the indexed array
};

// The offset of a position (i, j, …) is i * base[0] + j * base[1] + … plus, for each index array,
// its element there times the stride of its axis.
class IndexPositions {
 public:
  // `op` names the operation in messages. Requires: no dimension is zero; `base` and the strides of
  // the indices have one entry per dimension.
  IndexPositions(const char* op, Shape shape, Strides base, std::vector<AxisIndices> indices);

  int64_t size() const { return size_; }

  // Goes through the positions in row-major order. One thread's; any number of threads may read.
  class Reader {
   public:
    Reader(IndexPositions& positions, int64_t begin);

    // Where the next n positions are, in elements. False if one of them, or one before them that
    // any reader has met, is out of bounds: then what is left to read does not matter.
    bool next(int64_t n, int64_t* offsets);

   private:
    bool read_run(int64_t n, int64_t* offsets) const;
    int64_t first_bad_of_run(int64_t n) const;
    void advance(int64_t n);

    IndexPositions& positions_;
    int64_t position_;
    SmallVector<int32_t, kInlineDims> index_;
    SmallVector<int64_t, 4> starts_;  // of this position: in `base`, then in each index array
  };

  // Throws OperationError(FailureKind::index) if readers have met an index out of bounds, for the
  // first in row-major order of the positions. Requires: they have read everything or been told
  // false.
  void throw_if_out_of_bounds() const;

  // Reads all positions only to check them.
  void check();

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  void record_bad(int64_t position);

  const char* const op_;
  Shape shape_;  // collapsed, of one dimension at least
  std::vector<AxisIndices> indices_;
  std::vector<Strides> strides_;  // of `base`, then of each index array
  int64_t size_;
  // The first position out of bounds that is known. It does not depend on the order of tasks: a
  // task gives up only on positions behind it.
  std::atomic<int64_t> first_bad_{kNone};
};

// Of `indexed`, the elements i… with indices[i…] for the index along `axis`. Requires: the shapes
// agree but for that axis; there are indices.
IndexPositions positions_along_axis(const char* op, const View& indexed, const View& indices,
                                    int axis);

// Of `indexed`, one slice of the given shape, which begins at the elements of `start` along `axes`.
IndexPositions slice_position(const char* op, const View& indexed, const View& start,
                              std::span<const int> axes, const int32_t* slice_shape);

}  // namespace tarn::cpu
