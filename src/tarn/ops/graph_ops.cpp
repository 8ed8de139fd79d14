#include "tarn/ops/graph_ops.h"

#include "tarn/base/error.h"
#include "tarn/graph/host_context.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/graph.h"

namespace tarn {

namespace {

void forward_inputs(const void*, HostContext& context) {
  for (uint32_t i = 0; i < context.n_outputs(); ++i) {
    const array& input = context.inputs()[i];
    context.result(i) = input.node().output(input.index()).data;
  }
}

const OpClass kCopyClass{.info = kCopyInfo, .family = OpFamily::host, .run = forward_inputs};
const OpClass kStopGradientClass{
    .info = kStopGradientInfo, .family = OpFamily::host, .run = forward_inputs};
// Inputs first, dependencies behind them.
const OpClass kDependsClass{.info = kDependsInfo, .family = OpFamily::host, .run = forward_inputs};

}  // namespace

array copy(array a, StreamOrDevice s) {
  return make_node(Op(kCopyClass), to_stream(s), a.shape(), a.dtype(), a);
}

array stop_gradient(const array& a, StreamOrDevice s) {
  return make_node(Op(kStopGradientClass), to_stream(s), a.shape(), a.dtype(), a);
}

std::vector<array> depends(const std::vector<array>& inputs,
                           const std::vector<array>& dependencies) {
  check(!inputs.empty(), "depends", "wants at least one input.");
  std::vector<array> all = inputs;
  all.insert(all.end(), dependencies.begin(), dependencies.end());
  array first =
      make_node(Op(kDependsClass), to_stream({}), inputs[0].shape(), inputs[0].dtype(), all);
  for (size_t i = 1; i < inputs.size(); ++i)
    first.node().add_output(inputs[i].shape(), inputs[i].dtype());
  return first.outputs();
}

}  // namespace tarn
