// The addresses that a tile plan runs on, and the scratch memory of one thread.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tarn/backends/cpu/tile_plan.h"

namespace tarn::cpu {

// Elements that a thread works on at once are to stay in the first-level cache, or close to it: all
// slots together take kTileBudget bytes, unless that would make tiles too short to pay for the
// calls of their kernels.
inline constexpr size_t kTileBudget = 64 << 10;
inline constexpr int64_t kLargestTile = 2048;
inline constexpr int64_t kSmallestTile = 64;

// `bytes` of scratch memory for each element of a tile, 0 if there is none.
inline int64_t tile_elements(size_t bytes) {
  if (bytes == 0) return kLargestTile;
  const int64_t fitting = int64_t(kTileBudget / bytes) / kSmallestTile * kSmallestTile;
  return std::clamp(fitting, kSmallestTile, kLargestTile);
}

// Enough for the smallest tile of the largest program: a slot for every value, and an aligned panel
// of a cache line per element for every input.
struct TileScratch {
  static constexpr size_t kBytes = 2 * kTileBudget;
  static_assert(kBytes >=
                kSmallestTile * (8 * kMaxTileValues + 64 * kMaxTileInputs) + 8 * kMaxTileInputs);

  alignas(64) std::byte bytes[kBytes];
};

struct TileFrame {
  // Requires: `scratch` has room for the plan's slots of `tile` elements, and outlives the frame.
  TileFrame(const TilePlan& plan, std::byte* scratch, int64_t tile) {
    for (int v = 0; v < kMaxTileValues; ++v) {
      if (plan.slot[v] != TilePlan::kNone) {
        at[v] = scratch + int64_t(plan.slot[v]) * tile * plan.slot_item_size;
      }
    }
  }

  void set_output(const TilePlan& plan, int i, void* tile_begin) {
    at_output[i] = tile_begin;
    if (plan.writer[i] != TilePlan::kNone) at[plan.writer[i]] = tile_begin;
  }

  void* at[kMaxTileValues];
  void* at_output[kMaxTileOutputs];
};

}  // namespace tarn::cpu
