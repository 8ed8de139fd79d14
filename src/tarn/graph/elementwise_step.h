// A group of elementwise nodes of one shape, fused into one tile program, and maybe a kernel that
// reads what it computes.
#pragma once

#include <vector>

#include "tarn/graph/array.h"
#include "tarn/graph/step.h"
#include "tarn/ops/tile_program.h"

namespace tarn {

// Grown node by node by the planner, then closed, then run.
//
// Note [Fusion and failures]
// Fusing must not change what fails: were one input of the group to fail all of it, nodes that do
// not depend on that input would be blamed. So when an input failed, or there is no memory for the
// outputs, the group runs node by node, and each node settles as it would have alone. A reader is
// the only output, and all of the group is needed for it: whatever fails, fails the reader.
class ElementwiseStep final : public Step {
 public:
  // A value in the program and the node that has it.
  struct Member {
    Node* node;  // alive as long as the group's outputs are, which use it
    TileValue value;
  };
  // An array that the program reads.
  struct Leaf {
    array source;
    uint32_t n_uses;  // by members
  };

  explicit ElementwiseStep(Node& first) : shape_(first.first_output.shape), stream_(first.stream) {}

  // --- planning ---

  // Where an operand of a new node is: in this group, or the position of an input of the node.
  struct Operand {
    bool is_member;
    TileValue value;  // of the member
  };

  bool suits(const Node& node) const noexcept {
    return node.stream == stream_ && node.first_output.shape == shape_;
  }
  bool suits_reader(const Node& node) const noexcept { return node.stream == stream_; }
  // Whether a node with these operands still fits. `is_output`: it will surely be written.
  bool has_room(const Node& node, const Operand* operands, bool is_output) const noexcept;
  TileValue add(Node& node, const Operand* operands, bool is_output);
  // Takes over another group; `new_values` are those of its members here. Requires: has_room_for().
  bool has_room_for(const ElementwiseStep& other, const Node& next) const noexcept;
  void absorb(ElementwiseStep& other, std::vector<TileValue>& new_values);

  const std::vector<Member>& members() const noexcept { return members_; }
  // The node's value will be written. Called for each such member when the group is closed; when
  // there are too many, the group runs node by node.
  void add_output(Node& node, TileValue value);
  // Makes the node, which reads `value`, the group's only output. Requires: all members are only
  // used in the group and by it.
  void add_reader(Node& node, TileValue value);

  // --- running ---

  size_t n_inputs() const noexcept override { return leaves_.size(); }
  const Outcome* input(size_t i) const noexcept override {
    return &leaves_[i].source.node().outcome;
  }
  size_t n_nodes() const noexcept override { return outputs_.size(); }
  Node& node(size_t i) const noexcept override { return *outputs_[i].node; }
  FailurePtr compute() noexcept override;
  void settle_value(Announcement& announcement) noexcept override;

 private:
  struct Output {
    NodePtr node;
    ArrayData data;
    FailurePtr failure;  // of this node alone
  };

  TileValue leaf_value(const array& source);
  int find_leaf(const array& source) const noexcept;
  void run_fused();
  void run_one_by_one();

  Shape shape_;
  Stream stream_;
  int n_sure_outputs_ = 0;
  bool fused_ = true;
  bool has_reader_ = false;  // the output is not elementwise
  TileProgram program_;
  SmallVector<Leaf, 4> leaves_;
  std::vector<Member> members_;
  SmallVector<Output, 1> outputs_;
};

}  // namespace tarn
