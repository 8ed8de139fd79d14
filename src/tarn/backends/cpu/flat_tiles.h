// Tiles that are pieces of a program's flattened shape: inputs are gathered into them, unless they
// can be read where they are.
#pragma once

#include "tarn/backends/cpu/tile_frame.h"
#include "tarn/backends/cpu/tile_loops.h"

namespace tarn::cpu {

// Immutable; threads share it, each with a frame of its own.
class FlatTiles {
 public:
  // Requires: `work` outlives it.
  explicit FlatTiles(const TileWork& work);

  int64_t tile() const { return tile_; }  // elements
  // The frame of one thread. Requires: `scratch` outlives it.
  TileFrame frame(TileScratch& scratch) const;
  // Computes n elements from number `begin` on; outputs[i] is where these of output i go.
  // `is_last`: what follows them is not worth fetching. Requires: n is at most tile().
  void run(TileFrame& frame, void* const* outputs, int64_t begin, int64_t n, bool is_last) const;
  // Asks for what of n elements from number `begin` on, as far as there are so many, is in memory.
  void fetch(int64_t begin, int64_t n) const;
  bool streams() const { return plan_.stream; }
  // Whether run() fetches the inputs of what follows while a long step computes.
  bool fetches_next() const { return plan_.fetching_step > 0; }

 private:
  int64_t in_place_bytes() const;
  const void* part_of_row(size_t input, int64_t begin, int64_t n) const;
  int input_item_size(size_t i) const { return size_of_dtype(work_.program.input_dtype(int(i))); }

  const TileWork& work_;
  const uint32_t in_place_;  // inputs that are not gathered, as bits
  const TilePlan plan_;
  const int64_t tile_;
};

}  // namespace tarn::cpu
