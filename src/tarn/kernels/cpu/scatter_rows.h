// Combines rows of updates with the rows that are there.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/scatter_order.h"
#include "tarn/ops/scatter.h"

namespace tarn::cpu {

// Columns of the rows of a group of updates and of the array that they go to.
struct RowBlock {
  void* to;             // the array
  const void* updates;  // the group, rows one behind the other
  int64_t row_size;     // elements
  int64_t first_column;
  int64_t n_columns;  // kMaxColumns at most
};

// Immutable; any number of threads may use it.
class RowUpdater {
 public:
  static constexpr int64_t kMaxColumns = 2048;

  RowUpdater(ScatterMode mode, Dtype dtype, int64_t row_size);

  // Requires: `updates` are sorted. Never throws.
  void apply(const RowBlock& block, std::span<const PlacedUpdate> updates) const {
    apply_(*this, block, updates);
  }

 private:
  using Apply = void (*)(const RowUpdater& self, const RowBlock& block,
                         std::span<const PlacedUpdate> updates);

  static Apply assign_elements(Dtype dtype);
  static Apply combine_short(ScatterMode mode, Dtype dtype);
  static void assign_long_rows(const RowUpdater& self, const RowBlock& block,
                               std::span<const PlacedUpdate> updates);
  static void combine_long_rows(const RowUpdater& self, const RowBlock& block,
                                std::span<const PlacedUpdate> updates);
  void combine_wide(char* to, const RowBlock& block, std::span<const PlacedUpdate> updates) const;

  Apply apply_;
  int64_t itemsize_;
  TileKernel combine_;       // of the dtype
  TileKernel combine_wide_;  // of float32, for 16-bit floats that accumulate in it
  TileKernel widen_;
  TileKernel narrow_;
};

}  // namespace tarn::cpu
