// The loops over the tiles of a program that is too large for one.
#pragma once

#include "tarn/backends/cpu/tile_executor.h"

namespace tarn::cpu {

// A program with its data, outputs row-major.
struct TileWork {
  const TileProgram& program;
  std::span<const StridedOperand> inputs;
  std::span<void* const> outputs;
  int64_t size;
  bool stream;                      // outputs bypass the caches
  Shape shape;                      // with `strides`, not read unless an input is strided
  Strides strides[kMaxTileInputs];  // of every input, in this shape
};

// The work in the fewest dimensions, walked in the order of the outputs' memory. `operands`, which
// it refers to, has a place for each input and gets them in their simplest forms.
TileWork collapse(const TileProgram& program, std::span<const StridedOperand> inputs,
                  std::span<void* const> outputs, std::span<const int32_t> shape,
                  const int64_t* output_strides, StridedOperand* operands);

// Tiles are pieces of the flattened shape; strided inputs are gathered into tiles.
void run_flat(const TileWork& work);

// Tiles are pieces of rows of the last dimension, so that inputs which are contiguous along it are
// read in place. For inputs that are contiguous along another dimension instead, a panel of many
// rows is transposed at once.
void run_rows(const TileWork& work);

// Whether run_rows() is likely to be the faster one.
bool prefers_rows(const TileWork& work);

}  // namespace tarn::cpu
