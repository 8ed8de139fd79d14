// From arrays that somebody wants to steps in an order that respects what they need.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tarn/graph/elementwise_step.h"
#include "tarn/graph/step.h"

namespace tarn {

// Note [Claims]
// Several threads may evaluate graphs that share nodes. A planner claims each unscheduled node it
// reaches, by its ticket, before it looks at the node's inputs; so each node is planned by one
// thread, and only that thread and the stream it is scheduled on touch its inputs. A node that is
// scheduled already is waited for like any other input.
//
// A node that another planner has claimed is neither: its step is in no queue yet, and were ours to
// enter the queue first, it could wait for a step behind it. So a planner that meets such a node
// waits for the other one to schedule it, if the other one's ticket is larger, and else lets go of
// all its own claims first. Waiting goes from smaller to larger tickets only, so it ends.
//
// One per evaluation; used by one thread.
class Planner {
 public:
  struct PlannedStep {
    Stream stream;
    std::unique_ptr<Step> step;
  };

  // Throws std::invalid_argument for a tracer; then, and for std::bad_alloc, all claims are let go.
  explicit Planner(std::span<const array> outputs);
  // Lets go of the claims, unless schedule was called.
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  // In an order in which each step comes after those it needs. May be moved from.
  std::vector<PlannedStep>& steps() noexcept;

  // Turns the claims into what they were made for. Requires: the steps' streams are locked, so that
  // whoever sees a node as scheduled enters the queues after its step.
  void schedule() noexcept;

 private:
  struct Scratch;

  bool collect(std::span<const array> outputs);
  bool visit(Node& node);
  void wait_while_claimed(const Node& node, uint64_t ticket) noexcept;
  void let_go() noexcept;
  void plan();
  void plan_elementwise(uint32_t index);
  void plan_node(uint32_t index);
  uint32_t group_of(uint32_t index) const noexcept;
  bool is_planned(const Node& node) const noexcept;
  void merge(uint32_t into, uint32_t from);
  void close(uint32_t group);

  Scratch& scratch_;
  const uint64_t ticket_;
};

}  // namespace tarn
