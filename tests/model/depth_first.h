// What searches that enumerate share: they keep the decisions of the last execution, and change the
// deepest one that has another way to go.
#pragma once

#include <utility>
#include <vector>

#include "execution.h"
#include "search.h"

namespace tarn::model {

// Step: what the search remembers of a step.
template <class Step>
class DepthFirst : public Search {
 public:
  bool next_execution() final {
    depth_ = 0;
    restart();
    if (is_first_) return std::exchange(is_first_, false);
    for (; !path_.empty(); path_.pop_back()) {
      if (change(path_.back())) return true;
    }
    return false;
  }

  int pick_thread(const Execution& execution, ThreadSet enabled) final {
    if (depth_ == path_.size()) {
      Node node;
      node.enabled = enabled;
      if (!begin_step(execution, node)) return kRedundant;
      path_.push_back(node);
    }
    Node& node = path_[depth_];
    if (node.n_alternatives != 0 || node.enabled != enabled) return kDiverged;
    const Op& op = execution.pending(node.thread);
    if (is_deepest()) {
      node.op = op;
    } else if (node.op != op) {
      return kDiverged;
    }
    take_step();
    ++depth_;
    return node.thread;
  }

  int pick_choice(int n) final {
    if (depth_ == path_.size()) {
      path_.emplace_back().n_alternatives = n;
    } else if (path_[depth_].n_alternatives != n) {
      return kDiverged;
    }
    return path_[depth_++].alternative;
  }

 protected:
  struct Node {
    // Of a data choice.
    int n_alternatives = 0;  // 0: this is a step
    int alternative = 0;
    // Of a step.
    int thread = kNoThread;
    Op op;  // of the thread
    ThreadSet enabled;
    ThreadSet done;  // threads whose executions from here have all been seen
    Step step;
  };

  bool is_deepest() const { return depth_ + 1 == path_.size(); }

  // Forgets the last execution, keeps the path.
  virtual void restart() {}
  // Fills a new node at `depth_`, `thread` included. False when nothing new can come from here.
  virtual bool begin_step(const Execution& execution, Node& node) = 0;
  // Called when the step at `depth_` is about to run, for new and for repeated ones.
  virtual void take_step() = 0;
  // The threads still to be tried at a node.
  virtual ThreadSet untried(const Node& node) const = 0;

  std::vector<Node> path_;
  size_t depth_ = 0;

 private:
  bool change(Node& node) {
    if (node.n_alternatives != 0) return ++node.alternative < node.n_alternatives;
    node.done.add(node.thread);
    ThreadSet rest = untried(node);
    if (rest.empty()) return false;
    node.thread = rest.first();
    return true;
  }

  bool is_first_ = true;
};

}  // namespace tarn::model
