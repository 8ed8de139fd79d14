// What running a tile program takes besides the data: kernels, and where each value lives.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/backends/cpu/tile_executor.h"
#include "tarn/kernels/cpu/kernel_table.h"

namespace tarn::cpu {

inline TileKernel kernel_of(const KernelTable& table, const TileInstr& instr) {
  return instr.op == ElementwiseOp::cast ? table.cast[int(instr.compute)][int(instr.result)]
                                         : table.elementwise[int(instr.op)][int(instr.compute)];
}

// A value is in a slot, a piece of scratch memory as long as a tile, or in memory of the caller: an
// input, or an output that its instruction writes directly. Slots are reused as soon as their value
// is dead.
struct TilePlan {
  struct Step {
    TileKernel kernel;
    TileValue result, a, b, c;
  };
  // An output that is copied from its value's place when all steps have run.
  struct Delivery {
    TileValue value;
    uint8_t output;
    uint8_t item_size;
  };

  static constexpr uint8_t kNone = 0xff;

  int n_steps = 0;
  int n_deliveries = 0;
  int n_slots = 0;
  int slot_item_size = 1;  // the largest element in a slot
  bool stream = false;     // outputs bypass the caches
  StreamCopy stream_copy = nullptr;
  // The first long step that reads no memory itself, and the size of its elements; 0 if none.
  int fetching_step = 0;
  uint8_t fetching_item_size = 0;
  Step steps[kMaxTileInstrs];
  Delivery deliveries[kMaxTileOutputs];
  uint8_t input_item_size[kMaxTileInputs];
  uint8_t slot[kMaxTileValues];     // of each value, or kNone
  uint8_t writer[kMaxTileOutputs];  // the value whose instruction writes this output, or kNone

  // Runs all steps on n elements. at[v]: where the tile of value v begins; of output o:
  // at_output[o]. `continued`: bit i is set if more of input i, worth fetching, follows this tile
  // in memory.
  void run(void* const* at, void* const* at_output, size_t n, uint32_t continued) const;

 private:
  void stream_step(void* const* at, size_t n) const;
  void run_fetching(void* const* at, size_t n, uint32_t continued) const;
  void stream_deliveries(void* const* at, void* const* at_output, size_t n,
                         uint32_t continued) const;
};

// `gathered`: bit i is set if input i is not read in place but from a slot. `stream`: outputs are
// to bypass the caches.
TilePlan plan_tiles(const TileProgram& program, std::span<const StridedOperand> inputs,
                    std::span<void* const> outputs, uint32_t gathered, bool stream);

}  // namespace tarn::cpu
