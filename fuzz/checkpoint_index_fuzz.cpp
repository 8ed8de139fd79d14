// Any bytes as the index of a checkpoint: refused with an OperationError, or accepted with every
// promise of CheckpointIndex kept.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "tarn/base/failure.h"
#include "tarn/io/checkpoint_index.h"

using namespace tarn::io;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_promises(const CheckpointIndex& index) {
  std::set<std::string_view> seen;
  for (const auto& [file, tensors] : index.tensors_by_file) {
    require(!tensors.empty());
    for (const std::string& tensor : tensors) require(seen.insert(tensor).second);
  }
  require(!index.total_size || index.metadata.contains("total_size"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    check_promises(parse_checkpoint_index(text, "fuzz"));
  } catch (const tarn::OperationError& error) {
    require(error.kind() == tarn::FailureKind::io && error.io().path == "fuzz");
  }
  return 0;
}
