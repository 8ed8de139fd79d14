// How many threads one operation may use.
#pragma once

namespace tarn {

// TARN_NUM_THREADS, or as many as the process may run on. Whoever uses oneTBB asks here first, and
// does without it where the answer is 1. Throws std::bad_alloc if not even the settings can be
// read.
int max_parallelism();

}  // namespace tarn
