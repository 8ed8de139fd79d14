// Work that may never end, such as reading from a server that is gone.
#pragma once

#include <functional>

#include "cli/run_options.h"

namespace tarn::cli {

// Runs `work` in a thread of its own until it ends or the run does. Returns whether the work ended
// first; if not, it is left behind, with what it owns.
// Requires: `work` owns all that it uses, and does not throw.
bool finish_or_leave(const RunOptions& options, std::function<void()> work);

// Whether some work was left behind.
bool has_left_work();

}  // namespace tarn::cli
