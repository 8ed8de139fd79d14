#include "tarn/graph/claims.h"

#include <pthread.h>

#include <atomic>
#include <thread>
#include <utility>

#include "tarn/base/error.h"

namespace tarn {

namespace {

constinit std::atomic<uint64_t> g_next_ticket{Node::kScheduled + 1};
// Claims with smaller tickets are void: a fork has lost the threads that held them.
constinit std::atomic<uint64_t> g_first_valid_ticket{0};

[[maybe_unused]] const int kForkHandler =
    pthread_atfork(nullptr, nullptr, [] { g_first_valid_ticket.store(g_next_ticket.load()); });

// Sequentially consistent, as are the claims: Note [Retry] compares when tickets were drawn.
uint64_t next_ticket() noexcept { return g_next_ticket.fetch_add(1); }

bool is_free(uint64_t holder) noexcept {
  return holder == Node::kUnscheduled ||
         (holder != Node::kScheduled &&
          holder < g_first_valid_ticket.load(std::memory_order_relaxed));
}

bool has_operation(const Node& node) noexcept { return &node.op.op_class() != &kConstantClass; }

}  // namespace

// Reused by all claims of a thread, so that planning a tiny graph allocates next to nothing.
struct Claims::Scratch {
  struct Visit {
    Node* node;
    uint32_t next_input;
  };

  std::vector<Claimed> nodes;
  std::vector<uint32_t> order;
  std::vector<Visit> path;

  static Scratch& of_this_thread() noexcept {
    thread_local Scratch scratch;
    return scratch;
  }
};

Claims::Claims(std::span<const array> outputs, Take take)
    : scratch_(Scratch::of_this_thread()), take_(take), ticket_(next_ticket()) {
  try {
    while (!collect(outputs)) {
    }
  } catch (...) {
    let_go();
    throw;
  }
}

std::vector<Claims::Claimed>& Claims::nodes() const noexcept { return scratch_.nodes; }
const std::vector<uint32_t>& Claims::order() const noexcept { return scratch_.order; }

void Claims::let_go() noexcept {
  turn_into([this](uint32_t place) {
    return nodes()[place].node->outcome.is_failed() ? Node::kScheduled : Node::kUnscheduled;
  });
}

void Claims::clear() noexcept {
  constexpr size_t kMaxKept = 1 << 16;
  if (scratch_.nodes.capacity() > kMaxKept) {
    scratch_ = Scratch();
    return;
  }
  scratch_.nodes.clear();
  scratch_.order.clear();
  scratch_.path.clear();
}

// Claims all nodes that `outputs` need and puts them in order. Returns false, without any claim,
// when it met a node that an older ticket holds, or a younger one reset, and has to start again.
bool Claims::collect(std::span<const array> outputs) {
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
      if (holds(input)) ++s.nodes[input.plan_index].n_uses;
    }
  }
  return true;
}

// Claims `node`, if it is one to take, and enters it.
bool Claims::visit(Node& node) {
  for (;;) {
    if (node.outcome.is_value()) return true;
    uint64_t holder = node.schedule.load();
    if (holder == ticket_) return true;
    if (node.outcome.last_reset() > ticket_) {
      let_go();
      ticket_ = next_ticket();
      return false;
    }
    bool is_scheduled = holder == Node::kScheduled;
    if (is_scheduled && take_ == Take::unscheduled) {
      node.wanted_elsewhere.store(true, std::memory_order_relaxed);
      return true;
    }
    if (is_scheduled && !node.outcome.is_failed()) return true;
    if (is_scheduled || is_free(holder)) {
      if (claim(node, holder)) return true;
      continue;
    }
    bool must_yield = holder < ticket_;
    NodePtr alive(&node);  // though what led here may be let go
    if (must_yield) let_go();
    while (node.schedule.load(std::memory_order_acquire) == holder) std::this_thread::yield();
    if (must_yield) return false;
  }
}

// Returns false when the node's holder or state changed meanwhile.
bool Claims::claim(Node& node, uint64_t holder) {
  Scratch& s = scratch_;
  // Room first: a claim that is not in the list would never be let go.
  s.nodes.push_back({&node});
  s.path.push_back({&node, 0});
  if (node.schedule.compare_exchange_strong(holder, ticket_)) {
    // A retry may have come and gone since we looked; in the child of a fork, one may have been cut
    // short.
    bool is_failed = node.outcome.is_failed();
    bool is_new = node.outcome.last_reset() <= ticket_;
    if (is_failed ? take_ == Take::unscheduled_and_failed : holder != Node::kScheduled && is_new) {
      node.plan_index = uint32_t(s.nodes.size() - 1);
      check(!node.is_tracer, "eval", "an array that a transform is tracing cannot be evaluated.");
      check(is_failed || has_operation(node), "eval",
            "an array was detached before it was evaluated: it has neither data nor operation.");
      return true;
    }
    node.schedule.store(is_failed ? Node::kScheduled : holder);
  }
  s.nodes.pop_back();
  s.path.pop_back();
  return false;
}

void reset_failed(std::span<const array> outputs) {
  Claims claims(outputs, Claims::Take::unscheduled_and_failed);
  for (const Claims::Claimed& claimed : claims.nodes()) {
    // The child of a fork may have failed a node whose value its parent was about to publish.
    if (!has_operation(*claimed.node)) continue;
    claimed.node->wanted_elsewhere.store(false, std::memory_order_relaxed);
    claimed.node->outcome.reset(next_ticket());
  }
}

void visit_failures(std::span<const array> outputs, const FailureVisitor& visit) {
  std::vector<array> failed;
  for (const array& output : outputs) {
    if (output.node().outcome.is_failed()) failed.push_back(output);
  }
  Claims claims(failed, Claims::Take::unscheduled_and_failed);
  for (const Claims::Claimed& claimed : claims.nodes()) {
    if (FailurePtr failure = claimed.node->outcome.failure()) {
      visit(*claimed.node, std::move(failure));
    }
  }
}

}  // namespace tarn
