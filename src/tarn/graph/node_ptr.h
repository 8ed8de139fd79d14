// A counted pointer to a node.
#pragma once

#include <utility>

namespace tarn {

class Node;

class NodePtr {
 public:
  NodePtr() noexcept = default;
  explicit NodePtr(Node* node) noexcept : node_(node) {
    if (node_ != nullptr) retain();
  }
  NodePtr(const NodePtr& other) noexcept : NodePtr(other.node_) {}
  NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodePtr& operator=(NodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodePtr() { reset(); }

  void reset() noexcept {
    if (node_ == nullptr) return;
    release();
    node_ = nullptr;
  }
  Node* get() const noexcept { return node_; }
  Node* operator->() const noexcept { return node_; }
  Node& operator*() const noexcept { return *node_; }
  explicit operator bool() const noexcept { return node_ != nullptr; }

 private:
  void retain() noexcept;
  void release() noexcept;

  Node* node_ = nullptr;
};

}  // namespace tarn
