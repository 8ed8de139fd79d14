#include "search.h"

#include <random>
#include <vector>

#include "depth_first.h"
#include "dpor.h"

namespace tarn::model {

namespace {

bool is_waiting_for_time(const Execution& execution, int thread) {
  return execution.pending(thread).kind == OpKind::time_out;
}

struct BoundedStep {
  ThreadSet free;         // switching to these is no preemption
  int n_preemptions = 0;  // before the step
};

// Every execution with a bounded number of preemptions: switches away from a thread that could have
// gone on. Leaving a thread that sleeps until its deadline is none.
class Bounded : public DepthFirst<BoundedStep> {
 public:
  explicit Bounded(int max_preemptions) : max_preemptions_(max_preemptions) {}

 private:
  void restart() override {
    last_ = kNoThread;
    n_preemptions_ = 0;
  }

  bool begin_step(const Execution& execution, Node& node) override {
    node.thread = preferred_thread(execution, node.enabled, last_);
    bool could_go_on = last_ != kNoThread && node.enabled.contains(last_) &&
                       !is_waiting_for_time(execution, last_);
    node.step.free = could_go_on ? ThreadSet::of(last_) : node.enabled;
    node.step.n_preemptions = n_preemptions_;
    return true;
  }

  void take_step() override {
    const Node& node = path_[depth_];
    last_ = node.thread;
    n_preemptions_ = node.step.n_preemptions + (node.step.free.contains(node.thread) ? 0 : 1);
  }

  ThreadSet untried(const Node& node) const override {
    bool may_preempt = node.step.n_preemptions < max_preemptions_;
    return (may_preempt ? node.enabled : node.step.free) - node.done;
  }

  int max_preemptions_;
  int last_ = kNoThread;
  int n_preemptions_ = 0;
};

class RandomWalk : public Search {
 public:
  explicit RandomWalk(uint64_t seed) : random_(seed) {}

  bool next_execution() override { return true; }
  int pick_thread(const Execution&, ThreadSet enabled) override {
    return enabled.nth(below(enabled.size()));
  }
  int pick_choice(int n) override { return below(n); }

 protected:
  int below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

  std::mt19937_64 random_;
};

// Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic
// guarantees of finding bugs" (ASPLOS 2010). The length k is the longest execution so far; the
// first one is there to measure it.
class Pct : public RandomWalk {
 public:
  Pct(uint64_t seed, int depth) : RandomWalk(seed), change_steps_(static_cast<size_t>(depth - 1)) {}

  bool next_execution() override {
    n_steps_ = 0;
    for (int64_t& priority : priorities_) priority = static_cast<int64_t>(random_() >> 1);
    for (int& step : change_steps_) step = below(longest_);
    return true;
  }

  int pick_thread(const Execution&, ThreadSet enabled) override {
    for (size_t i = 0; i < change_steps_.size(); ++i) {
      // Below all initial priorities, and different from each other.
      if (change_steps_[i] == n_steps_)
        priorities_[highest(enabled)] = -1 - static_cast<int64_t>(i);
    }
    longest_ = std::max(longest_, ++n_steps_);
    return highest(enabled);
  }

 private:
  int highest(ThreadSet threads) const {
    int best = threads.first();
    for (; !threads.empty(); threads.remove(threads.first())) {
      if (priorities_[threads.first()] > priorities_[best]) best = threads.first();
    }
    return best;
  }

  std::array<int64_t, kMaxThreads> priorities_{};
  std::vector<int> change_steps_;
  int n_steps_ = 0;
  int longest_ = 1;
};

}  // namespace

std::unique_ptr<Search> make_search(const Options& options) {
  switch (options.method) {
    case Method::bounded:
      return std::make_unique<Bounded>(options.preemptions);
    case Method::pct:
      return std::make_unique<Pct>(options.seed, options.depth);
    case Method::random:
      return std::make_unique<RandomWalk>(options.seed);
    case Method::dpor:
      break;
  }
  return std::make_unique<Dpor>();
}

int preferred_thread(const Execution& execution, ThreadSet allowed, int last) {
  if (last != kNoThread && allowed.contains(last) && !is_waiting_for_time(execution, last)) {
    return last;
  }
  for (ThreadSet rest = allowed; !rest.empty(); rest.remove(rest.first())) {
    if (!is_waiting_for_time(execution, rest.first())) return rest.first();
  }
  return allowed.first();
}

int RoundRobin::pick_thread(const Execution& execution, ThreadSet enabled) {
  ThreadSet later;
  for (ThreadSet rest = enabled; !rest.empty(); rest.remove(rest.first())) {
    if (rest.first() > last_) later.add(rest.first());
  }
  last_ = preferred_thread(execution, later.empty() ? enabled : later, kNoThread);
  return last_;
}

int Replay::pick_thread(const Execution& execution, ThreadSet enabled) {
  if (next_ == schedule_.size()) return rest_.pick_thread(execution, enabled);
  Decision decision = schedule_[next_++];
  return !decision.is_choice && enabled.contains(decision.value) ? decision.value : kDiverged;
}

int Replay::pick_choice(int n) {
  if (next_ == schedule_.size()) return rest_.pick_choice(n);
  Decision decision = schedule_[next_++];
  return decision.is_choice && decision.value < n ? decision.value : kDiverged;
}

}  // namespace tarn::model
