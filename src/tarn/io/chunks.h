// Work that is cut into chunks and spread over threads, with the guarantees a transfer needs: it
// ends only when every chunk has ended, and which error it reports does not depend on timing.
#pragma once

#include <cstddef>
#include <functional>

namespace tarn::io {

// Calls run(i) for i in [0, n_chunks), in order on one thread, roughly in order on several, and
// returns when all calls have returned. When some throw, the exception of the lowest such i is
// thrown once all are done: a chunk is left out only if a lower one has failed already.
void run_chunks(size_t n_chunks, bool parallel, const std::function<void(size_t)>& run);

}  // namespace tarn::io
