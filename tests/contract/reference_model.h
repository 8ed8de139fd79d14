// What an evaluation must come to, computed the plain way: node by node, without streams, fusion or
// memory. Says of each node whether it is a value or a failure, which value, and which root.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tarn::model {

using Values = std::array<int, 3>;

enum class Kind { add, maximum, reverse, total, user };  // what a node computes

inline int modulo(int x) { return ((x % 17) + 17) % 17; }

// A failure: which node is its root, and at which of its attempts.
using Root = std::pair<size_t, int>;
inline std::string message_of(Root root) {
  return "node " + std::to_string(root.first) + ", attempt " + std::to_string(root.second);
}

struct Node {
  Kind kind;
  std::vector<size_t> inputs;  // numbers of nodes, smaller than its own
  int n_failures = 0;          // of a user's operation: its first attempts throw
  int constant = 0;            // it adds to the sum of its inputs

  enum Status { unscheduled, value, failed } status = unscheduled;
  Values values{};
  std::optional<Root> root = {};
  int n_attempts = 0;
};

class Model {
 public:
  size_t add(Node node) {
    nodes_.push_back(std::move(node));
    return nodes_.size() - 1;
  }
  const Node& operator[](size_t i) const { return nodes_[i]; }
  size_t size() const { return nodes_.size(); }

  void eval(const std::vector<size_t>& outputs) {
    std::vector<bool> needed(nodes_.size());
    for (size_t output : outputs) needed[output] = true;
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (!needed[i] || nodes_[i].status != Node::unscheduled) continue;
      for (size_t input : nodes_[i].inputs) needed[input] = true;
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (needed[i] && nodes_[i].status == Node::unscheduled) settle(i);
    }
  }

  void retry(const std::vector<size_t>& outputs) {
    std::vector<bool> reached(nodes_.size());
    for (size_t output : outputs) reached[output] = true;
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (!reached[i] || nodes_[i].status == Node::value) continue;
      for (size_t input : nodes_[i].inputs) reached[input] = true;
      nodes_[i].status = Node::unscheduled;
      nodes_[i].root.reset();
    }
    eval(outputs);
  }

  // The failure that eval(outputs) throws.
  std::optional<Root> thrown(const std::vector<size_t>& outputs) const {
    std::optional<Root> first;
    for (size_t output : outputs) {
      const std::optional<Root>& root = nodes_[output].root;
      if (root && (!first || root->first < first->first)) first = root;
    }
    return first;
  }

  // All roots behind it, without it.
  std::set<Root> others(const std::vector<size_t>& outputs) const {
    std::set<Root> roots;
    std::vector<bool> reached(nodes_.size());
    for (size_t output : outputs) reached[output] = true;
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (!reached[i] || nodes_[i].status != Node::failed) continue;
      roots.insert(*nodes_[i].root);
      for (size_t input : nodes_[i].inputs) reached[input] = true;
    }
    if (std::optional<Root> first = thrown(outputs)) roots.erase(*first);
    return roots;
  }

 private:
  void settle(size_t i) {
    Node& node = nodes_[i];
    for (size_t input : node.inputs) {
      if (nodes_[input].status != Node::failed) continue;
      node.status = Node::failed;
      node.root = nodes_[input].root;
      return;
    }
    ++node.n_attempts;
    if (node.n_attempts <= node.n_failures) {
      node.status = Node::failed;
      node.root = Root(i, node.n_attempts);
      return;
    }
    node.status = Node::value;
    node.values = compute(node);
  }

  Values compute(const Node& node) const {
    auto in = [&](size_t i) -> const Values& { return nodes_[node.inputs[i]].values; };
    Values out{};
    for (size_t k = 0; k < out.size(); ++k) {
      switch (node.kind) {
        case Kind::add:
          out[k] = modulo(in(0)[k] + in(1)[k]);
          break;
        case Kind::maximum:
          out[k] = std::max(in(0)[k], in(1)[k]);
          break;
        case Kind::reverse:
          out[k] = in(0)[out.size() - 1 - k];
          break;
        case Kind::total:
          out[k] = modulo(in(0)[0] + in(0)[1] + in(0)[2]);
          break;
        case Kind::user:
          out[k] = node.constant + int(k);
          for (size_t input : node.inputs) out[k] += nodes_[input].values[k];
          out[k] = modulo(out[k]);
          break;
      }
    }
    return out;
  }

  std::vector<Node> nodes_;
};

}  // namespace tarn::model
