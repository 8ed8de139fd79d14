#include "tarn/graph/planner.h"

#include <pthread.h>

#include <algorithm>
#include <thread>

#include "tarn/base/error.h"

namespace tarn {

namespace {

constexpr uint32_t kNoGroup = ~0u;

constinit std::atomic<uint64_t> g_next_ticket{Node::kScheduled + 1};
// Claims with smaller tickets are void: a fork has lost the threads that held them.
constinit std::atomic<uint64_t> g_first_valid_ticket{0};

[[maybe_unused]] const int kForkHandler = pthread_atfork(nullptr, nullptr, [] {
  g_first_valid_ticket.store(g_next_ticket.load());
});

uint64_t next_ticket() noexcept { return g_next_ticket.fetch_add(1, std::memory_order_relaxed); }

bool is_free(uint64_t holder) noexcept {
  return holder == Node::kUnscheduled ||
         (holder != Node::kScheduled &&
          holder < g_first_valid_ticket.load(std::memory_order_relaxed));
}

}  // namespace

// Reused by all planners of a thread, so that planning a tiny graph allocates next to nothing.
struct Planner::Scratch {
  struct PlannedNode {
    Node* node;
    uint32_t n_uses = 0;           // by planned nodes
    uint32_t n_uses_in_group = 0;  // by members of its own group
    uint32_t group = kNoGroup;     // as it was when the node joined: see group_of
    TileValue value = 0;           // in the group's program
  };
  struct Group {
    std::unique_ptr<ElementwiseStep> step;  // null once the group is closed or merged
    uint32_t merged_into = kNoGroup;
  };
  struct Visit {
    Node* node;
    uint32_t next_input;
  };

  std::vector<PlannedNode> nodes;  // in the order of claims: users before some of their inputs
  std::vector<uint32_t> order;     // indices into nodes, inputs before users
  std::vector<Visit> path;
  std::vector<Group> groups;
  std::vector<PlannedStep> steps;
  std::vector<TileValue> new_values;

  void clear() noexcept {
    constexpr size_t kMaxKept = 1 << 16;
    if (nodes.capacity() > kMaxKept) {
      *this = Scratch();
      return;
    }
    nodes.clear();
    order.clear();
    path.clear();
    groups.clear();
    steps.clear();
  }

  static Scratch& of_this_thread() noexcept {
    thread_local Scratch scratch;
    return scratch;
  }
};

Planner::Planner(std::span<const array> outputs)
    : scratch_(Scratch::of_this_thread()), ticket_(next_ticket()) {
  try {
    while (!collect(outputs)) {
    }
    plan();
  } catch (...) {
    let_go();
    scratch_.clear();
    throw;
  }
}

Planner::~Planner() {
  let_go();
  scratch_.clear();
}

std::vector<Planner::PlannedStep>& Planner::steps() noexcept { return scratch_.steps; }

void Planner::let_go() noexcept {
  for (const auto& planned : scratch_.nodes) {
    planned.node->schedule.store(Node::kUnscheduled, std::memory_order_release);
  }
  scratch_.nodes.clear();
}

void Planner::schedule() noexcept {
  for (const auto& planned : scratch_.nodes) {
    // A node that is only a part of a fused program gets no value: whoever wants it later has it
    // computed again.
    bool is_elided =
        planned.group != kNoGroup &&
        planned.node->owners.load(std::memory_order_relaxed) == planned.n_uses_in_group;
    planned.node->schedule.store(is_elided ? Node::kUnscheduled : Node::kScheduled,
                                 std::memory_order_release);
  }
  scratch_.nodes.clear();
}

// See Note [Claims].
void Planner::wait_while_claimed(const Node& node, uint64_t ticket) noexcept {
  while (node.schedule.load(std::memory_order_acquire) == ticket) std::this_thread::yield();
}

// Claims all nodes that `outputs` need and puts them in order. Returns false, without any claim,
// when it met a node of an older planner and has to start again.
bool Planner::collect(std::span<const array> outputs) {
  Scratch& s = scratch_;
  for (const array& output : outputs) {
    if (!visit(output.node())) return false;
    while (!s.path.empty()) {
      Scratch::Visit& last = s.path.back();
      if (last.next_input == last.node->inputs.size()) {
        s.order.push_back(last.node->plan_index);
        s.path.pop_back();
        continue;
      }
      Node& input = last.node->inputs[last.next_input++].node();
      if (!visit(input)) return false;
      if (is_planned(input)) ++s.nodes[input.plan_index].n_uses;
    }
  }
  return true;
}

// Claims `node`, if it is to be computed by this evaluation, and enters it.
bool Planner::visit(Node& node) {
  Scratch& s = scratch_;
  for (;;) {
    if (node.outcome.is_settled()) return true;
    uint64_t holder = node.schedule.load(std::memory_order_acquire);
    if (holder == ticket_) return true;
    if (holder == Node::kScheduled) {
      node.wanted_elsewhere.store(true, std::memory_order_relaxed);
      return true;
    }
    if (is_free(holder)) {
      // Room first: a claim that is not in the list would never be let go.
      s.nodes.push_back({&node});
      s.path.push_back({&node, 0});
      if (node.schedule.compare_exchange_strong(holder, ticket_, std::memory_order_acq_rel)) {
        node.plan_index = uint32_t(s.nodes.size() - 1);
        check(!node.is_tracer, "eval", "an array that a transform is tracing cannot be evaluated.");
        check(&node.op.op_class() != &kConstantClass, "eval",
              "an array was detached before it was evaluated: it has neither data nor operation.");
        return true;
      }
      s.nodes.pop_back();
      s.path.pop_back();
      continue;
    }
    bool must_yield = holder < ticket_;
    if (must_yield) {
      let_go();
      s.clear();
    }
    wait_while_claimed(node, holder);
    if (must_yield) return false;
  }
}

bool Planner::is_planned(const Node& node) const noexcept {
  return node.schedule.load(std::memory_order_relaxed) == ticket_;
}

void Planner::plan() {
  Scratch& s = scratch_;
  for (uint32_t index : s.order) {
    if (s.nodes[index].node->op.op_class().family == OpFamily::elementwise) {
      plan_elementwise(index);
    } else {
      plan_node(index);
    }
  }
  for (uint32_t group = 0; group < s.groups.size(); ++group) close(group);
}

// The group that a node's group has become part of.
uint32_t Planner::group_of(uint32_t index) const noexcept {
  uint32_t group = scratch_.nodes[index].group;
  while (group != kNoGroup && scratch_.groups[group].merged_into != kNoGroup) {
    group = scratch_.groups[group].merged_into;
  }
  return group;
}

void Planner::plan_node(uint32_t index) {
  Scratch& s = scratch_;
  Node& node = *s.nodes[index].node;
  for (const array& input : node.inputs) {
    if (!is_planned(input.node())) continue;
    uint32_t group = group_of(input.node().plan_index);
    if (group != kNoGroup) close(group);
  }
  s.steps.push_back({node.stream, make_node_step(node)});
}

// Joins the node to the open groups of its inputs, or opens one for it. A group is open while only
// its members use its values: so it can run where its last member stands, after all its inputs.
void Planner::plan_elementwise(uint32_t index) {
  Scratch& s = scratch_;
  Node& node = *s.nodes[index].node;
  const size_t n = node.inputs.size();
  bool is_output = node.owners.load(std::memory_order_relaxed) > s.nodes[index].n_uses;

  uint32_t joined = kNoGroup;
  auto group_of_input = [&](size_t i) {
    Node& input = node.inputs[i].node();
    uint32_t group = is_planned(input) ? group_of(input.plan_index) : kNoGroup;
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
      operands[i] = {is_member,
                     is_member ? s.nodes[node.inputs[i].node().plan_index].value : TileValue(0)};
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
  s.nodes[index].value = s.groups[joined].step->add(node, operands, is_output);
  s.nodes[index].group = joined;
  for (size_t i = 0; i < n; ++i) {
    if (operands[i].is_member) ++s.nodes[node.inputs[i].node().plan_index].n_uses_in_group;
  }
}

void Planner::merge(uint32_t into, uint32_t from) {
  Scratch& s = scratch_;
  std::unique_ptr<ElementwiseStep> absorbed = std::move(s.groups[from].step);
  s.groups[into].step->absorb(*absorbed, s.new_values);
  s.groups[from].merged_into = into;
  for (size_t i = 0; i < s.new_values.size(); ++i) {
    s.nodes[absorbed->members()[i].node->plan_index].value = s.new_values[i];
  }
}

// Decides what the group writes, and makes it a step.
void Planner::close(uint32_t group) {
  Scratch& s = scratch_;
  std::unique_ptr<ElementwiseStep> step = std::move(s.groups[group].step);
  if (!step) return;
  for (const ElementwiseStep::Member& member : step->members()) {
    const Scratch::PlannedNode& planned = s.nodes[member.node->plan_index];
    if (member.node->owners.load(std::memory_order_relaxed) != planned.n_uses_in_group) {
      step->add_output(*member.node, member.value);
    }
  }
  Stream stream = step->members().front().node->stream;
  s.steps.push_back({stream, std::move(step)});
}

}  // namespace tarn
