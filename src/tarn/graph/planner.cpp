#include "tarn/graph/planner.h"

#include <utility>

namespace tarn {

namespace {

constexpr uint32_t kNoGroup = ~0u;

}  // namespace

// Reused by all planners of a thread, so that planning a tiny graph allocates next to nothing.
struct Planner::Scratch {
  struct Placement {
    uint32_t n_uses_in_group = 0;  // by members of its own group
    bool is_elided = false;        // gets no value, being only a part of a fused program
    uint32_t group = kNoGroup;     // as it was when the node joined: see group_of
    TileValue value = 0;           // in the group's program
  };
  struct Group {
    std::unique_ptr<ElementwiseStep> step;  // null once the group is closed or merged
    uint32_t merged_into = kNoGroup;
  };

  std::vector<Placement> placements;  // of the claimed nodes
  std::vector<Group> groups;
  std::vector<PlannedStep> steps;
  std::vector<TileValue> new_values;

  void clear() noexcept {
    constexpr size_t kMaxKept = 1 << 16;
    if (placements.capacity() > kMaxKept) {
      *this = Scratch();
      return;
    }
    placements.clear();
    groups.clear();
    steps.clear();
  }

  static Scratch& of_this_thread() noexcept {
    thread_local Scratch scratch;
    return scratch;
  }
};

Planner::Planner(std::span<const array> outputs)
    : claims_(outputs, Claims::Take::unscheduled), scratch_(Scratch::of_this_thread()) {
  try {
    plan();
  } catch (...) {
    scratch_.clear();
    throw;
  }
}

Planner::~Planner() { scratch_.clear(); }

std::vector<Planner::PlannedStep>& Planner::steps() noexcept { return scratch_.steps; }

void Planner::schedule() noexcept {
  claims_.turn_into([this](uint32_t place) {
    // Whoever wants an elided node later has it computed again.
    return scratch_.placements[place].is_elided ? Node::kUnscheduled : Node::kScheduled;
  });
}

void Planner::plan() {
  Scratch& s = scratch_;
  s.placements.resize(claims_.nodes().size());
  for (uint32_t index : claims_.order()) {
    if (claims_.nodes()[index].node->op.op_class().family == OpFamily::elementwise) {
      plan_elementwise(index);
    } else {
      plan_node(index);
    }
  }
  for (uint32_t group = 0; group < s.groups.size(); ++group) close(group);
}

// The group that a node's group has become part of.
uint32_t Planner::group_of(uint32_t index) const noexcept {
  uint32_t group = scratch_.placements[index].group;
  while (group != kNoGroup && scratch_.groups[group].merged_into != kNoGroup) {
    group = scratch_.groups[group].merged_into;
  }
  return group;
}

void Planner::plan_node(uint32_t index) {
  Scratch& s = scratch_;
  Node& node = *claims_.nodes()[index].node;
  if (node.op.op_class().reads_program && join_group_of_input(node)) return;
  for (const array& input : node.inputs) {
    if (!claims_.holds(input.node())) continue;
    uint32_t group = group_of(input.node().plan_index);
    if (group != kNoGroup) close(group);
  }
  s.steps.push_back({node.stream, make_node_step(node)});
}

// Closes the open group that computes the node's input with the node as its only output, if nobody
// else wants anything of it. Returns whether there is one.
bool Planner::join_group_of_input(Node& node) {
  Scratch& s = scratch_;
  Node& input = node.inputs[0].node();
  const uint32_t group = claims_.holds(input) ? group_of(input.plan_index) : kNoGroup;
  if (group == kNoGroup || !s.groups[group].step) return false;
  ElementwiseStep& step = *s.groups[group].step;
  if (!step.suits_reader(node)) return false;
  for (const ElementwiseStep::Member& member : step.members()) {
    const uint32_t n_uses = s.placements[member.node->plan_index].n_uses_in_group;
    if (member.node->owners.load(std::memory_order_relaxed) != n_uses + (member.node == &input)) {
      return false;
    }
  }
  for (const ElementwiseStep::Member& member : step.members()) {
    s.placements[member.node->plan_index].is_elided = true;
  }
  step.add_reader(node, s.placements[input.plan_index].value);
  s.steps.push_back({node.stream, std::move(s.groups[group].step)});
  return true;
}

// Joins the node to the open groups of its inputs, or opens one for it. A group is open while only
// its members use its values: so it can run where its last member stands, after all its inputs.
void Planner::plan_elementwise(uint32_t index) {
  Scratch& s = scratch_;
  Node& node = *claims_.nodes()[index].node;
  const size_t n = node.inputs.size();
  bool is_output = node.owners.load(std::memory_order_relaxed) > claims_.nodes()[index].n_uses;

  uint32_t joined = kNoGroup;
  auto group_of_input = [&](size_t i) {
    Node& input = node.inputs[i].node();
    uint32_t group = claims_.holds(input) ? group_of(input.plan_index) : kNoGroup;
    return group != kNoGroup && s.groups[group].step ? group : kNoGroup;
  };
  for (size_t i = 0; i < n; ++i) {
    uint32_t group = group_of_input(i);
    if (group == kNoGroup || group == joined) continue;
    ElementwiseStep& step = *s.groups[group].step;
    if (!step.suits(node)) {
      close(group);
    } else if (joined == kNoGroup) {
      joined = group;
    } else if (s.groups[joined].step->has_room_for(step, node)) {
      merge(joined, group);
    } else {
      close(group);
    }
  }

  ElementwiseStep::Operand operands[3];
  auto place_operands = [&] {
    for (size_t i = 0; i < n; ++i) {
      bool is_member = joined != kNoGroup && group_of_input(i) == joined;
      operands[i] = {is_member, is_member ? s.placements[node.inputs[i].node().plan_index].value
                                          : TileValue(0)};
    }
  };
  place_operands();
  if (joined != kNoGroup && !s.groups[joined].step->has_room(node, operands, is_output)) {
    close(std::exchange(joined, kNoGroup));
    place_operands();
  }
  if (joined == kNoGroup) {
    joined = uint32_t(s.groups.size());
    s.groups.push_back({std::make_unique<ElementwiseStep>(node)});
  }
  s.placements[index].value = s.groups[joined].step->add(node, operands, is_output);
  s.placements[index].group = joined;
  for (size_t i = 0; i < n; ++i) {
    if (operands[i].is_member) ++s.placements[node.inputs[i].node().plan_index].n_uses_in_group;
  }
}

void Planner::merge(uint32_t into, uint32_t from) {
  Scratch& s = scratch_;
  std::unique_ptr<ElementwiseStep> absorbed = std::move(s.groups[from].step);
  s.groups[into].step->absorb(*absorbed, s.new_values);
  s.groups[from].merged_into = into;
  for (size_t i = 0; i < s.new_values.size(); ++i) {
    s.placements[absorbed->members()[i].node->plan_index].value = s.new_values[i];
  }
}

// Decides what the group writes, and makes it a step.
void Planner::close(uint32_t group) {
  Scratch& s = scratch_;
  std::unique_ptr<ElementwiseStep> step = std::move(s.groups[group].step);
  if (!step) return;
  for (const ElementwiseStep::Member& member : step->members()) {
    Scratch::Placement& placed = s.placements[member.node->plan_index];
    placed.is_elided =
        member.node->owners.load(std::memory_order_relaxed) == placed.n_uses_in_group;
    if (!placed.is_elided) step->add_output(*member.node, member.value);
  }
  Stream stream = step->members().front().node->stream;
  s.steps.push_back({stream, std::move(step)});
}

}  // namespace tarn
