// The addresses that a tile plan runs on, and the scratch memory of one thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "tarn/backends/cpu/tile_plan.h"

namespace tarn::cpu {

// What a thread works on at once is to stay in the first-level cache: the slots, and the inputs
// that are read in place twice, since the processor fetches those of the next tile. Unless that
// would make tiles too short to pay for the calls of their kernels.
inline constexpr int64_t kTileBudget = 32 << 10;
inline constexpr int64_t kLargestTile = 2048;
inline constexpr int64_t kSmallestTile = 64;

// For each element of a tile there are `in_place` bytes of inputs that are read where they are, and
// `panels` bytes of inputs that are transposed, which stay near that cache. A power of two, so that
// tiles do not straddle pages.
inline int64_t tile_elements(const TilePlan& plan, int64_t in_place, int64_t panels = 0) {
  const int64_t slots = int64_t{plan.n_slots} * plan.slot_item_size;
  if (slots + panels == 0) return kLargestTile;
  const int64_t fitting = std::min(kTileBudget / std::max<int64_t>(1, slots + 2 * in_place),
                                   2 * kTileBudget / (slots + panels));
  return std::clamp(int64_t(std::bit_floor(uint64_t(fitting))), kSmallestTile, kLargestTile);
}

// A block's transposed inputs are gathered into panels, of as many rows as the block has. Together
// these have at most kMostPanelBytes for each column: of one input whole cache lines. Each row of a
// panel is a line longer than it needs to be.
inline constexpr int64_t kLine = 64;
inline constexpr int64_t kMostPanelBytes = kLine * kMaxTileInputs;
inline constexpr int64_t kMostPanelRows = kLine;  // of bytes

// Enough for the smallest tile of the largest program: a slot for every value, and aligned panels.
struct TileScratch {
  static constexpr size_t kBytes = 6 * kTileBudget;
  static_assert(kBytes >= kSmallestTile * (8 * kMaxTileValues + kMostPanelBytes) +
                              kMaxTileInputs * (kMostPanelRows * kLine + 8));

  alignas(64) std::byte bytes[kBytes];
};

struct TileFrame {
  // Requires: `scratch` has room for the plan's slots of `tile` elements, and outlives the frame.
  TileFrame(const TilePlan& plan, std::byte* scratch, int64_t tile)
      : scratch_(scratch), slot_bytes_(tile * plan.slot_item_size) {
    for (int v = 0; v < kMaxTileValues; ++v) {
      if (plan.slot[v] != TilePlan::kNone) at[v] = slot(plan, v);
    }
  }

  // Where a value that has a slot is, unless `at` says otherwise.
  void* slot(const TilePlan& plan, int value) const {
    return scratch_ + plan.slot[value] * slot_bytes_;
  }

  void set_output(const TilePlan& plan, int i, void* tile_begin) {
    at_output[i] = tile_begin;
    if (plan.writer[i] != TilePlan::kNone) at[plan.writer[i]] = tile_begin;
  }

  void* at[kMaxTileValues];
  void* at_output[kMaxTileOutputs];

 private:
  std::byte* scratch_;
  int64_t slot_bytes_;
};

}  // namespace tarn::cpu
