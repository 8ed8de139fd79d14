#include "tarn/backends/cpu/tile_plan.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace tarn::cpu {

namespace {

// After every instruction: of values that are delivered when all have run.
constexpr int kAtEnd = kMaxTileInstrs;

// Whether a step computes for longer than its operand takes to be read from memory. The result has
// the type of the operand.
constexpr bool is_long(ElementwiseOp op) {
  switch (op) {
#define TARN_LONG(name, Type) case ElementwiseOp::name:
    TARN_ELEMENTARY_OPS(TARN_LONG)
#undef TARN_LONG
    return true;
    default:
      return false;
  }
}

class Planner {
 public:
  Planner(const TileProgram& program, std::span<const StridedOperand> inputs,
          std::span<void* const> outputs, uint32_t gathered, bool stream)
      : program_(program), inputs_(inputs), outputs_(outputs), gathered_(gathered) {
    plan_.stream = stream;
    plan_.stream_copy = kernels().stream_copy;
    for (int i = 0; i < program.n_inputs(); ++i) {
      plan_.input_item_size[i] = uint8_t(size_of_dtype(program.input_dtype(i)));
    }
    std::memset(plan_.slot, TilePlan::kNone, sizeof(plan_.slot));
    std::memset(plan_.writer, TilePlan::kNone, sizeof(plan_.writer));
    std::memset(is_direct_, 0, sizeof(is_direct_));
  }

  TilePlan plan() {
    resolve_steps();
    place_outputs();
    assign_slots();
    return plan_;
  }

 private:
  void resolve_steps() {
    const KernelTable& table = kernels();
    std::memset(last_use_, -1, sizeof(last_use_));
    const int n_instrs = program_.n_instrs();
    for (int i = 0; i < n_instrs; ++i) {
      const TileInstr& instr = program_.instr(i);
      const TileValue result = TileValue(kMaxTileInputs + i);
      TilePlan::Step step{kernel_of(table, instr), result, instr.a, instr.b, instr.c};
      assert(step.kernel);
      if (i + 1 < n_instrs && is_product_for(i + 1)) {
        const TileInstr& sum = program_.instr(++i);
        step = {table.multiply_add[int(sum.compute)], TileValue(result + 1), instr.a, instr.b,
                sum.b};
      }
      if (plan_.fetching_step == 0 && is_long(instr.op) && step.a >= kMaxTileInputs) {
        plan_.fetching_step = plan_.n_steps;
        plan_.fetching_item_size = uint8_t(size_of_dtype(program_.dtype_of_value(step.a)));
        assert(program_.dtype_of_value(step.a) == program_.dtype_of_value(step.result));
      }
      plan_.steps[plan_.n_steps++] = step;
      last_use_[step.a] = last_use_[step.b] = last_use_[step.c] = int8_t(i);
    }
  }

  // Whether instruction `sum` adds something to the product that the one before it makes, and
  // nothing else takes the product. In this order only: of two NaN a sum is the first.
  bool is_product_for(int sum) const {
    const TileInstr& add = program_.instr(sum);
    const TileInstr& multiply = program_.instr(sum - 1);
    const TileValue product = TileValue(kMaxTileInputs + sum - 1);
    if (add.op != ElementwiseOp::add || multiply.op != ElementwiseOp::multiply) return false;
    if (!kernels().multiply_add[int(add.compute)]) return false;
    if (add.a != product || add.b == product) return false;
    for (int i = sum + 1; i < program_.n_instrs(); ++i) {
      const TileInstr& instr = program_.instr(i);
      if (instr.a == product || instr.b == product || instr.c == product) return false;
    }
    for (int i = 0; i < program_.n_outputs(); ++i) {
      if (program_.output(i) == product) return false;
    }
    return true;
  }

  // Of several steps only the last would stream, and read nothing from memory meanwhile.
  bool streams_only_step() const { return plan_.n_steps == 1 && plan_.steps[0].kernel.can_stream; }

  // An instruction writes its output directly unless that destroys an input which a later one
  // reads.
  bool may_write_directly(int output, TileValue value) const {
    if (value < kMaxTileInputs || is_direct_[value]) return false;
    if (plan_.stream && !streams_only_step()) return false;
    for (int i = 0; i < program_.n_inputs(); ++i) {
      if (inputs_[i].data == outputs_[output] && last_use_[i] > value - kMaxTileInputs)
        return false;
    }
    return true;
  }

  void place_outputs() {
    for (int i = 0; i < program_.n_outputs(); ++i) {
      const TileValue value = program_.output(i);
      if (may_write_directly(i, value)) {
        plan_.writer[i] = value;
        is_direct_[value] = true;
      } else {
        const int item_size = size_of_dtype(program_.dtype_of_value(value));
        plan_.deliveries[plan_.n_deliveries++] = {value, uint8_t(i), uint8_t(item_size)};
        last_use_[value] = kAtEnd;
      }
    }
  }

  bool has_slot(TileValue value) const {
    return value < kMaxTileInputs ? (gathered_ >> value & 1) != 0 : !is_direct_[value];
  }

  void take_slot(TileValue value) {
    const int item_size = size_of_dtype(program_.dtype_of_value(value));
    if (item_size > plan_.slot_item_size) plan_.slot_item_size = item_size;
    plan_.slot[value] = n_free_ > 0 ? free_[--n_free_] : uint8_t(plan_.n_slots++);
  }

  // Inputs keep their slots: those of single elements are filled once for many tiles.
  void release_operand(TileValue value, int instr) {
    if (value < kMaxTileInputs || last_use_[value] != instr || !has_slot(value)) return;
    last_use_[value] = -1;  // an operand may be named twice
    free_[n_free_++] = plan_.slot[value];
  }

  void assign_slots() {
    for (int i = 0; i < program_.n_inputs(); ++i) {
      if (has_slot(TileValue(i))) take_slot(TileValue(i));
    }
    for (int i = 0; i < plan_.n_steps; ++i) {
      const TilePlan::Step& step = plan_.steps[i];
      const auto release_operands = [&] {
        for (TileValue operand : {step.a, step.b, step.c}) {
          release_operand(operand, step.result - kMaxTileInputs);
        }
      };
      // A kernel may write over an operand only if their elements have the same size.
      const int result_size = size_of_dtype(program_.dtype_of_value(step.result));
      bool same_size = true;
      for (TileValue operand : {step.a, step.b, step.c}) {
        same_size &= size_of_dtype(program_.dtype_of_value(operand)) == result_size;
      }
      if (same_size) release_operands();
      if (has_slot(step.result)) take_slot(step.result);
      if (!same_size) release_operands();
    }
  }

  const TileProgram& program_;
  const std::span<const StridedOperand> inputs_;
  const std::span<void* const> outputs_;
  const uint32_t gathered_;
  TilePlan plan_;
  int8_t last_use_[kMaxTileValues];  // by the number of the instruction
  bool is_direct_[kMaxTileValues];   // written to an output, not to a slot
  uint8_t free_[kMaxTileValues];
  int n_free_ = 0;
};

}  // namespace

void TilePlan::run(void* const* at, void* const* at_output, size_t n, uint32_t continued) const {
  if (stream && n_deliveries == 0) return stream_step(at, n);
  for (int i = 0; i < n_steps; ++i) {
    const Step& step = steps[i];
    if (i > 0 && i == fetching_step && continued != 0) {
      run_fetching(at, n, continued);
      continued = 0;
    } else {
      step.kernel(at[step.result], at[step.a], at[step.b], at[step.c], n);
    }
  }
  if (stream) return stream_deliveries(at, at_output, n, continued);
  for (int i = 0; i < n_deliveries; ++i) {
    const Delivery& delivery = deliveries[i];
    if (at_output[delivery.output] == at[delivery.value]) continue;
    std::memcpy(at_output[delivery.output], at[delivery.value], n * delivery.item_size);
  }
}

// The only step, which reads memory while it stores past the caches.
void TilePlan::stream_step(void* const* at, size_t n) const {
  const Step& step = steps[0];
  void* const out = at[step.result];
  if (is_stream_aligned(out)) {
    step.kernel.stream(out, at[step.a], at[step.b], at[step.c], n);
  } else {
    step.kernel(out, at[step.a], at[step.b], at[step.c], n);
  }
}

// Memory would not be used meanwhile, so what the next tile reads is fetched, some before each
// piece.
void TilePlan::run_fetching(void* const* at, size_t n, uint32_t continued) const {
  constexpr size_t kPiece = 128, kLine = 64;
  const Step& step = steps[fetching_step];
  char* const result = static_cast<char*>(at[step.result]);
  const char* const operand = static_cast<const char*>(at[step.a]);
  for (size_t begin = 0; begin < n; begin += kPiece) {
    const size_t size = std::min(kPiece, n - begin);
    for (uint32_t inputs = continued; inputs != 0; inputs &= inputs - 1) {
      const int input = std::countr_zero(inputs);
      const size_t item_size = input_item_size[input];
      const char* const next = static_cast<const char*>(at[input]) + (n + begin) * item_size;
      for (size_t i = 0; i < size * item_size; i += kLine) __builtin_prefetch(next + i);
    }
    const size_t at_piece = begin * fetching_item_size;
    step.kernel(result + at_piece, operand + at_piece, nullptr, nullptr, size);
  }
}

// Memory would not be read meanwhile, so what the next tile reads is fetched.
void TilePlan::stream_deliveries(void* const* at, void* const* at_output, size_t n,
                                 uint32_t continued) const {
  size_t n_fetched = 0;  // bytes of the first input that is still in `continued`
  for (int i = 0; i < n_deliveries; ++i) {
    const Delivery& delivery = deliveries[i];
    const size_t nbytes = n * delivery.item_size;
    const void* ahead[kMostAhead];
    int n_ahead = 0;
    while (continued != 0 && n_ahead < kMostAhead) {
      const int input = std::countr_zero(continued);
      const size_t tile_nbytes = n * input_item_size[input];
      if (nbytes > 2 * tile_nbytes) {  // would be fetched several tiles ahead
        continued &= continued - 1;
        continue;
      }
      ahead[n_ahead++] = static_cast<const char*>(at[input]) + tile_nbytes + n_fetched;
      n_fetched += nbytes;
      if (n_fetched < tile_nbytes) continue;
      n_fetched = 0;
      continued &= continued - 1;
    }
    stream_copy(at_output[delivery.output], at[delivery.value], nbytes, ahead, n_ahead);
  }
}

TilePlan plan_tiles(const TileProgram& program, std::span<const StridedOperand> inputs,
                    std::span<void* const> outputs, uint32_t gathered, bool stream) {
  return Planner(program, inputs, outputs, gathered, stream).plan();
}

}  // namespace tarn::cpu
