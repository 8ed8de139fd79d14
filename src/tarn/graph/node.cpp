#include "tarn/graph/node.h"

#include <new>

#include "tarn/graph/array.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRecycle = false;  // recycled nodes would hide uses after free
#elif defined(__has_feature)
constexpr bool kRecycle = !__has_feature(address_sanitizer);
#else
constexpr bool kRecycle = true;
#endif

// Memory of dead nodes, one list per thread. A node may die on another thread than the one that
// made it, so the lists are bounded: else a thread that only drops would collect them all.
class NodeMemory {
 public:
  ~NodeMemory() {
    is_gone() = true;
    while (free_ != nullptr) ::operator delete(pop());
  }

  // Null after the thread has destroyed its list: other thread-local objects may still own nodes.
  static NodeMemory* of_this_thread() noexcept {
    if (is_gone()) return nullptr;
    thread_local NodeMemory memory;
    return &memory;
  }

  void* take() noexcept { return free_ != nullptr ? pop() : nullptr; }
  bool keep(void* bytes) noexcept {
    if (count_ == kMaxKept) return false;
    free_ = new (bytes) Free{free_};
    ++count_;
    return true;
  }

 private:
  struct Free {
    Free* next;
  };
  static constexpr int kMaxKept = 4096;

  static bool& is_gone() noexcept {
    thread_local bool gone = false;
    return gone;
  }
  void* pop() noexcept {
    --count_;
    return std::exchange(free_, free_->next);
  }

  Free* free_ = nullptr;
  int count_ = 0;
};

}  // namespace

const OpClass kConstantClass{.info = {"constant", "", "Data that was given."},
                             .family = OpFamily::host};

Node::Node(Op op, Stream stream, Shape shape, Dtype dtype)
    : op(std::move(op)),
      stream(stream),
      number(next_creation_number()),
      first_output{std::move(shape), dtype},
      origin(current_origin()) {}

Node::Node(Shape shape, Dtype dtype, ArrayData data)
    : outcome(Outcome::Settled{}),
      op(kConstantClass),
      stream(0, Device::cpu),
      number(next_creation_number()),
      first_output{std::move(shape), dtype, std::move(data)} {}

Node::~Node() = default;

void* Node::operator new(size_t nbytes) {
  if constexpr (kRecycle) {
    if (NodeMemory* memory = NodeMemory::of_this_thread()) {
      if (void* bytes = memory->take()) return bytes;
    }
  }
  return ::operator new(nbytes);
}

void Node::operator delete(void* bytes) noexcept {
  if constexpr (kRecycle) {
    NodeMemory* memory = NodeMemory::of_this_thread();
    if (memory != nullptr && memory->keep(bytes)) return;
  }
  ::operator delete(bytes);
}

void Node::add_output(Shape shape, Dtype dtype) {
  auto more = std::make_unique<NodeOutput[]>(n_more_outputs + 1);
  std::move(more_outputs.get(), more_outputs.get() + n_more_outputs, more.get());
  more[n_more_outputs] = NodeOutput{std::move(shape), dtype};
  more_outputs = std::move(more);
  ++n_more_outputs;
}

void Node::detach() noexcept {
  Inputs dropped = std::move(inputs);
  inputs.clear();
  op = Op(kConstantClass);
}

// Note [Deep graphs]
// A node drops its inputs, which may be the last owners of theirs, a million levels deep. So a node
// that dies while another is being destroyed only joins a list, which the outermost destruction
// works off.
void Node::destroy(Node* node) noexcept {
  // The list hangs together by a field that a dead node has no use for.
  thread_local Node* dead = nullptr;
  thread_local bool destroying = false;
  node->first_output.data.offset = reinterpret_cast<int64_t>(std::exchange(dead, node));
  if (std::exchange(destroying, true)) return;
  while (dead != nullptr) {
    Node* next = std::exchange(dead, reinterpret_cast<Node*>(dead->first_output.data.offset));
    delete next;
  }
  destroying = false;
}

}  // namespace tarn
