// Runs tile programs on the CPU: all elementwise work of this backend, and copies into dense
// layouts.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/shape.h"
#include "tarn/base/view.h"
#include "tarn/ops/tile_program.h"

namespace tarn::cpu {

// Chooses the layout of the outputs of a program over `shape` whose inputs all have strides. If the
// inputs that are not single elements share one layout without holes (a common transposition, say),
// that is it, and such inputs may be passed as dense; otherwise it is row-major. Returns whether it
// is shared.
bool choose_output_strides(std::span<const int32_t> shape, std::span<const StridedOperand> inputs,
                           Strides& output_strides);

// Computes every output of `program` for every element of `shape`, on the calling thread for small
// work and on all cores (settings().num_threads) for large. Allocates, and so throws
// std::bad_alloc, only for shapes of more than kInlineDims dimensions, and then before it writes.
//
// Outputs are dense: row-major over `shape`, or, if `output_strides` is not null, by those strides,
// which must be row-major but for the order of the dimensions. An output may be the same memory as
// a dense input that is not itself an output, if the elements have the same size; otherwise no
// output may overlap an input or another output. Requires: one operand for each input, one pointer
// for each output, elements aligned to their size.
void run(const TileProgram& program, std::span<const StridedOperand> inputs,
         std::span<void* const> outputs, std::span<const int32_t> shape,
         const int64_t* output_strides = nullptr);

// As above, for inputs that are all dense or scalar: `size` elements, whatever their shape.
void run(const TileProgram& program, std::span<const StridedOperand> inputs,
         std::span<void* const> outputs, int64_t size);

}  // namespace tarn::cpu
