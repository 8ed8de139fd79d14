// Ctrl-C as a stop token.
#pragma once

#include <stop_token>

namespace tarn::cli {

// From now on the first SIGINT or SIGTERM requests a stop, and the second ends the process at once.
// Call it once. A signal that is ignored stays so.
std::stop_token stop_on_interrupt();

}  // namespace tarn::cli
