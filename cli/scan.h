// Reads tensors and computes their statistics, in memory that does not grow with them.
#pragma once

#include <optional>

#include "cli/inventory.h"

namespace tarn::cli {

struct ScanResult {
  double seconds = 0;
  uint64_t nbytes_read = 0;
  // Why it ended before everything was read: cancelled or deadline.
  std::optional<FailureKind> ended_by;
};

// Fills in stats or failure of all tensors that have not failed. Shows a progress bar called
// `what`.
ScanResult scan(Inventory& inventory, const RunOptions& options, const char* what);

}  // namespace tarn::cli
