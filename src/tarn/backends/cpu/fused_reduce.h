// Reductions of a program's value, which is in no memory: its tiles are reduced as they come.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/shape.h"
#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"
#include "tarn/ops/reduce.h"
#include "tarn/ops/tile_program.h"

namespace tarn::cpu {

// Reduces output 0 of `program` over `shape` as reduce() would reduce an array of those values with
// `strides`, which are dense, to the same bits. Returns false, having written nothing, where that
// array is the better or the only way: elements of one result do not follow each other, inputs are
// transposed, the program or the shape is at its limits, or numbers are complex.
// Requires: as for run() and reduce().
bool reduce_program(const ops::Reduce& op, TileProgram program, const Shape& shape,
                    std::span<const StridedOperand> inputs, const Strides& strides, const View& out,
                    const AllocateScratch& allocate);

}  // namespace tarn::cpu
