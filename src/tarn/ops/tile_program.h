// A tile program: elementwise work, fused or single, as plain data that any device can run.
#pragma once

#include <cassert>
#include <cstdint>

#include "tarn/base/dtype.h"
#include "tarn/ops/elementwise_op.h"

namespace tarn {

inline constexpr int kMaxTileInputs = 16;
inline constexpr int kMaxTileInstrs = 64;
inline constexpr int kMaxTileOutputs = 16;

// Names a value of a program: input i is value i, the result of instruction i is value
// kMaxTileInputs + i.
using TileValue = uint8_t;
inline constexpr int kMaxTileValues = kMaxTileInputs + kMaxTileInstrs;

// One operation on all elements. Operands a, b, c as many as the operation takes; all are of dtype
// `compute`, except the condition of `where`, which is bool. Of `cast`, `compute` is the dtype to
// convert from.
struct TileInstr {
  ElementwiseOp op;
  TileValue a, b, c;
  Dtype::Val compute;
  Dtype::Val result;
};

// Straight-line code: an instruction may use the inputs and the results of earlier instructions.
// Built by appending; a program of no instructions copies. Copying and destroying are trivial, and
// nothing beyond the counts is initialised, because building a program is part of evaluating a
// single tiny node.
class TileProgram {
 public:
  TileProgram() {}  // NOLINT: the arrays stay uninitialised on purpose

  int n_inputs() const { return n_inputs_; }
  int n_instrs() const { return n_instrs_; }
  int n_outputs() const { return n_outputs_; }

  Dtype::Val input_dtype(int i) const { return input_dtypes_[i]; }
  const TileInstr& instr(int i) const { return instrs_[i]; }
  TileValue output(int i) const { return outputs_[i]; }
  Dtype::Val dtype_of_value(TileValue value) const {
    return value < kMaxTileInputs ? input_dtypes_[value] : instrs_[value - kMaxTileInputs].result;
  }

  // Requires: fewer than kMaxTileInputs inputs. Inputs and instructions may be added in any order.
  TileValue add_input(Dtype::Val dtype) {
    assert(n_inputs_ < kMaxTileInputs);
    input_dtypes_[n_inputs_] = dtype;
    return n_inputs_++;
  }

  // Requires: fewer than kMaxTileInstrs instructions; operands exist and have the dtypes that
  // `instr` states.
  TileValue add_instr(const TileInstr& instr) {
    assert(n_instrs_ < kMaxTileInstrs);
    instrs_[n_instrs_] = instr;
    return TileValue(kMaxTileInputs + n_instrs_++);
  }

  TileValue add_cast(TileValue a, Dtype::Val to) {
    return add_instr({ElementwiseOp::cast, a, a, a, dtype_of_value(a), to});
  }

  // Appends `op` on operands that have been cast to the dtype it computes in; the result's dtype
  // follows from its rule.
  TileValue add_op(ElementwiseOp op, Dtype computed, TileValue a) {
    return add_op(op, computed, a, a, a);
  }
  TileValue add_op(ElementwiseOp op, Dtype computed, TileValue a, TileValue b) {
    return add_op(op, computed, a, b, b);
  }
  TileValue add_op(ElementwiseOp op, Dtype computed, TileValue a, TileValue b, TileValue c) {
    return add_instr(
        {op, a, b, c, computed.val(), result_dtype(traits_of(op).dtypes, computed).val()});
  }

  // Marks a value as one that is written to memory. A value may be an output more than once.
  // Requires: fewer than kMaxTileOutputs outputs.
  void add_output(TileValue value) {
    assert(n_outputs_ < kMaxTileOutputs);
    outputs_[n_outputs_++] = value;
  }
  void set_output(int i, TileValue value) { outputs_[i] = value; }

 private:
  uint8_t n_inputs_ = 0;
  uint8_t n_instrs_ = 0;
  uint8_t n_outputs_ = 0;
  TileValue outputs_[kMaxTileOutputs];
  Dtype::Val input_dtypes_[kMaxTileInputs];
  TileInstr instrs_[kMaxTileInstrs];
};

// Bytes of one element; constexpr so that planning a tiny program stays free of calls.
constexpr int size_of_dtype(Dtype::Val dtype) { return kAllDtypes[int(dtype)].size(); }

}  // namespace tarn
