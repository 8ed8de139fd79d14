// Which thread holds which nodes while it decides what is to be computed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/graph/node.h"

namespace tarn {

// Note [Claims]
// Several threads may evaluate graphs that share nodes. Each claims the unscheduled nodes it
// reaches, by its ticket, before it looks at a node's inputs; so each node is planned by one
// thread, and only that thread and the stream it is scheduled on touch its inputs. A node that is
// scheduled already is waited for like any other input.
//
// A node that another thread has claimed is neither: its step is in no queue yet, and were ours to
// enter the queue first, it could wait for a step behind it. So whoever meets such a node waits
// until it is claimed no more, if the holder's ticket is larger, and else lets go of all its own
// claims first. Waiting goes from smaller to larger tickets only, so it ends.
//
// Note [Retry]
// A retry makes failed nodes unscheduled again, and so puts a second step for them into a queue,
// maybe behind steps that were planned when the node had failed or was about to. These must not
// wait for what stands behind them. Tickets tell: a node is reset, under a claim, with a ticket
// drawn after the claim, and so larger than the ticket of any plan that saw the node before the
// claim. A plan that meets a node with a larger ticket starts again with one of its own that is
// larger still. A step waits for a pending input only if that was last reset before the step's plan
// began; else it takes the failure that the reset found.

// The nodes that `outputs` need and that a thread has claimed, until they are let go. One at a time
// per thread.
class Claims {
 public:
  struct Claimed {
    Node* node;
    uint32_t n_uses = 0;  // by claimed nodes
  };
  enum class Take { unscheduled, unscheduled_and_failed };

  // Throws std::invalid_argument for a tracer; then, and for std::bad_alloc, it holds nothing.
  Claims(std::span<const array> outputs, Take take);
  ~Claims() { let_go(); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  uint64_t ticket() const noexcept { return ticket_; }
  bool holds(const Node& node) const noexcept {
    return node.schedule.load(std::memory_order_relaxed) == ticket_;
  }

  // In the order in which they were claimed: users before some of their inputs. The place of a node
  // here is its plan_index.
  std::vector<Claimed>& nodes() const noexcept;
  // Places in nodes(), inputs before users.
  const std::vector<uint32_t>& order() const noexcept;

  // Gives up the claim on each node as `state_of(its place)` says.
  template <class StateOf>
  void turn_into(StateOf state_of) noexcept {
    for (uint32_t i = 0; i < nodes().size(); ++i) {
      nodes()[i].node->schedule.store(state_of(i), std::memory_order_release);
    }
    clear();
  }

 private:
  struct Scratch;

  bool collect(std::span<const array> outputs);
  bool visit(Node& node);
  bool claim(Node& node, uint64_t holder);
  void let_go() noexcept;
  void clear() noexcept;

  Scratch& scratch_;
  const Take take_;
  uint64_t ticket_;
};

// Makes the failed nodes that `outputs` need ready to be computed again. See Note [Retry].
void reset_failed(std::span<const array> outputs);

// Calls visit(node, its failure) for each failed node among failed `outputs` and what they need.
// The node is claimed meanwhile: a retry waits before it changes anything.
using FailureVisitor = std::function<void(const Node&, FailurePtr)>;
void visit_failures(std::span<const array> outputs, const FailureVisitor& visit);

}  // namespace tarn
