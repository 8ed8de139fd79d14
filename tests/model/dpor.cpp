#include "dpor.h"

#include <utility>

#include "execution.h"

namespace tarn::model {

void Dpor::restart() {
  past_ = {};
  objects_.clear();
  last_step_ = -1;
}

void Dpor::on_spawn(int parent, int child) {
  if (parent != kNoThread) past_[child] = past_[parent];
}

void Dpor::on_wake(const Execution& execution, int by, int waiter) {
  // The waiter might have timed out instead. It never will after this step, so nothing would show
  // that race later.
  const Op& missed = execution.pending(waiter);
  if (missed.kind == OpKind::time_out) reverse_race(last_step_, waiter, missed);
  past_[waiter].join(past_[by]);
}

ThreadSet Dpor::untried(const Node& node) const {
  return (node.step.backtrack & node.enabled) - node.done - node.step.sleep;
}

bool Dpor::begin_step(const Execution& execution, Node& node) {
  if (last_step_ >= 0) node.step.sleep = sleep_after(path_[last_step_]);
  ThreadSet awake = node.enabled - node.step.sleep;
  if (awake.empty()) {
    find_races_of_all(execution);
    return false;
  }
  for (int i = 0; i < execution.n_threads(); ++i) node.step.pending[i] = execution.pending(i);
  node.thread =
      preferred_thread(execution, awake, last_step_ < 0 ? kNoThread : path_[last_step_].thread);
  node.step.backtrack.add(node.thread);
  return true;
}

// A thread sleeps on until somebody does what its next step depends on.
ThreadSet Dpor::sleep_after(const Node& node) const {
  ThreadSet sleep;
  for (ThreadSet rest = node.step.sleep | node.done; !rest.empty(); rest.remove(rest.first())) {
    int thread = rest.first();
    if (thread != node.thread && !dependent(node.step.pending[thread], node.op)) {
      sleep.add(thread);
    }
  }
  return sleep;
}

// Races are looked for when an operation runs, not when it becomes pending: only then is its
// thread's past complete.
void Dpor::take_step() {
  Node& node = path_[depth_];
  if (is_deepest()) {
    find_races(node.thread, node.op);
    order(node);
  }
  past_[node.thread] = node.step.past;
  publish(node);
  last_step_ = static_cast<int>(depth_);
}

// Computes the step's past, and links it to the steps before.
void Dpor::order(Node& node) {
  const Op& op = node.op;
  VectorClock& past = node.step.past;
  past = past_[node.thread];
  past.time[node.thread] = static_cast<uint16_t>(depth_ + 1);
  if (op.kind == OpKind::join) past.join(past_[op.thread]);
  for (int use = 0; use < Op::kMaxUses; ++use) {
    Access access = op.access(use);
    if (access == Access::none) continue;
    const Object& used = object(op.object[use]);
    past.join(used.writes);
    if (access != Access::read) past.join(used.reads);
    if (access != Access::accumulate) past.join(used.accumulations);
    node.step.previous[use] = used.last_step;
  }
}

// Shows the step at `depth_` to those that use its objects later.
void Dpor::publish(const Node& node) {
  for (int use = 0; use < Op::kMaxUses; ++use) {
    Access access = node.op.access(use);
    if (access == Access::none) continue;
    Object& used = object(node.op.object[use]);
    used.last_step = static_cast<int>(depth_);
    if (access == Access::read) {
      used.reads.join(node.step.past);
    } else if (access == Access::accumulate) {
      used.accumulations.join(node.step.past);
    } else {
      used.writes = node.step.past;
    }
  }
}

Dpor::Object& Dpor::object(int id) {
  if (static_cast<size_t>(id) >= objects_.size()) objects_.resize(static_cast<size_t>(id) + 1);
  return objects_[static_cast<size_t>(id)];
}

// For an execution that ends before what is pending could run.
void Dpor::find_races_of_all(const Execution& execution) {
  for (int i = 0; i < execution.n_threads(); ++i) {
    const Op& op = execution.pending(i);
    if (!execution.has_finished(i) && op.kind != OpKind::asleep) find_races(i, op);
  }
}

void Dpor::find_races(int thread, const Op& op) {
  for (int use = 0; use < Op::kMaxUses; ++use) {
    Access access = op.access(use);
    if (access != Access::none) find_races_on(op.object[use], access, thread, op);
  }
}

void Dpor::find_races_on(int id, Access access, int thread, const Op& op) {
  int i = object(id).last_step;
  while (i >= 0) {
    const Node& node = path_[static_cast<size_t>(i)];
    Access other = node.op.access_of(id);
    if (happened_before(i, past_[thread])) {
      // All earlier conflicting steps happened before a write.
      if (other != Access::read && other != Access::accumulate) return;
    } else if (is_reversible(other, access)) {
      reverse_race(i, thread, op);
    }
    i = node.step.previous[node.op.object[0] == id ? 0 : 1];
  }
}

// Makes sure that from the state before step `at` some execution is explored in which `op` of
// `thread` comes first.
void Dpor::reverse_race(int at, int thread, const Op& op) {
  Node& node = path_[static_cast<size_t>(at)];
  ThreadSet first = initials(at, thread, op);
  if (!(first & (node.step.backtrack - node.step.sleep)).empty()) return;
  ThreadSet enabled = first & node.enabled;
  if (enabled.empty()) {
    node.step.backtrack = node.step.backtrack | node.enabled;
  } else if ((enabled & node.step.sleep).empty()) {
    node.step.backtrack.add(enabled.first());
  }
}

// Of the steps after `at` that did not happen after it, followed by `op` of `thread`: the threads
// that could go first.
ThreadSet Dpor::initials(int at, int thread, const Op& op) const {
  ThreadSet seen, result;
  std::array<int, kMaxThreads> first_step{};  // of the threads in `seen`
  auto follows_seen = [&](const VectorClock& past) {
    for (ThreadSet rest = seen; !rest.empty(); rest.remove(rest.first())) {
      if (happened_before(first_step[rest.first()], past)) return true;
    }
    return false;
  };
  bool depends = false;
  for (int i = at + 1; i < static_cast<int>(depth_); ++i) {
    const Node& node = path_[static_cast<size_t>(i)];
    if (node.n_alternatives != 0 || happened_before(at, node.step.past)) continue;
    depends = depends || dependent(node.op, op);
    if (seen.contains(node.thread)) continue;
    if (!follows_seen(node.step.past)) result.add(node.thread);
    seen.add(node.thread);
    first_step[node.thread] = i;
  }
  if (!seen.contains(thread) && !depends && !follows_seen(past_[thread])) result.add(thread);
  return result;
}

}  // namespace tarn::model
