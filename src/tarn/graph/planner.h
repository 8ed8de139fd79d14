// From arrays that somebody wants to steps in an order that respects what they need.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tarn/graph/claims.h"
#include "tarn/graph/elementwise_step.h"
#include "tarn/graph/step.h"

namespace tarn {

// One per evaluation; used by one thread.
class Planner {
 public:
  struct PlannedStep {
    Stream stream;
    std::unique_ptr<Step> step;
  };

  // Throws as Claims does, and std::bad_alloc; then nothing is claimed.
  explicit Planner(std::span<const array> outputs);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  // In an order in which each step comes after those it needs. May be moved from.
  std::vector<PlannedStep>& steps() noexcept;
  // Larger for later plans: see Note [Retry].
  uint64_t ticket() const noexcept { return claims_.ticket(); }

  // Turns the claims into what they were made for. Requires: the steps' streams are locked, so that
  // whoever sees a node as scheduled enters the queues after its step.
  void schedule() noexcept;

 private:
  struct Scratch;

  void plan();
  void plan_elementwise(uint32_t index);
  void plan_node(uint32_t index);
  bool join_group_of_input(Node& node);
  uint32_t group_of(uint32_t index) const noexcept;
  void merge(uint32_t into, uint32_t from);
  void close(uint32_t group);

  Claims claims_;
  Scratch& scratch_;
};

}  // namespace tarn
