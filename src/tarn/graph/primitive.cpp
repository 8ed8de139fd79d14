#include "tarn/graph/primitive.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tarn/base/error.h"
#include "tarn/graph/extension.h"
#include "tarn/graph/host_context.h"

namespace tarn {

namespace {

[[noreturn]] void throw_no_rule(const Primitive& primitive, const char* rule) {
  throw std::runtime_error(fmt::format("[{}] has no {} rule.", primitive.name(), rule));
}

// An array of the node's kind for user code to fill. It is not the node's own: that one may be
// settled from elsewhere, by a cancellation, while the user's code still writes.
array output_to_fill(const NodeOutput& output) {
  NodePtr node(new Node(Op(kConstantClass), Stream(0, Device::cpu), output.shape, output.dtype));
  node->under_construction = true;
  return array(std::move(node), 0);
}

thread_local cpu::CommandEncoder* current_encoder = nullptr;

// Bodies nest: one may evaluate another on its thread.
class EncoderScope {
 public:
  explicit EncoderScope(cpu::CommandEncoder& encoder)
      : outer_(std::exchange(current_encoder, &encoder)) {}
  EncoderScope(const EncoderScope&) = delete;
  EncoderScope& operator=(const EncoderScope&) = delete;
  ~EncoderScope() { current_encoder = outer_; }

 private:
  cpu::CommandEncoder* const outer_;
};

void run_user_operation(const void* op, HostContext& context) {
  Primitive& primitive = *static_cast<const UserOperation*>(op)->primitive;
  std::vector<array> inputs(context.inputs().begin(), context.inputs().end());
  std::vector<array> outputs;
  for (uint32_t i = 0; i < context.n_outputs(); ++i) {
    outputs.push_back(output_to_fill(context.output(i)));
  }
  if (context.stream().device == Device::cpu) {
    cpu::CommandEncoder encoder(context.stream());
    const EncoderScope scope(encoder);
    primitive.eval_cpu(inputs, outputs);
  } else {
    primitive.eval_gpu(inputs, outputs);
  }
  for (uint32_t i = 0; i < context.n_outputs(); ++i) {
    ArrayData& filled = outputs[i].node().first_output.data;
    if (!filled.buffer) {
      throw std::runtime_error(
          fmt::format("[{}] left output {} without data.", primitive.name(), i));
    }
    context.result(i) = filled;
  }
}

}  // namespace

cpu::CommandEncoder& cpu::get_command_encoder(Stream s) {
  check(current_encoder != nullptr && current_encoder->stream() == s, "get_command_encoder",
        "no operation is evaluated here on stream {}.", s.index);
  return *current_encoder;
}

const OpClass kUserOperationClass{.info = {"primitive", "", "An operation of the user's program."},
                                  .family = OpFamily::host,
                                  .run = run_user_operation,
                                  .may_block = true};

const char* name_of(const Node& node) noexcept {
  if (&node.op.op_class() == &kUserOperationClass) {
    try {
      return static_cast<const UserOperation*>(node.op.params())->primitive->name();
    } catch (...) {
      // Then it goes by the name of its class.
    }
  }
  return node.op.name();
}

std::vector<array> Primitive::jvp(const std::vector<array>&, const std::vector<array>&,
                                  const std::vector<int>&) {
  throw_no_rule(*this, "jvp");
}

std::vector<array> Primitive::vjp(const std::vector<array>&, const std::vector<array>&,
                                  const std::vector<int>&, const std::vector<array>&) {
  throw_no_rule(*this, "vjp");
}

std::pair<std::vector<array>, std::vector<int>> Primitive::vmap(const std::vector<array>&,
                                                                const std::vector<int>&) {
  throw_no_rule(*this, "vmap");
}

std::vector<Shape> Primitive::output_shapes(const std::vector<array>&) {
  throw_no_rule(*this, "output_shapes");
}

}  // namespace tarn
