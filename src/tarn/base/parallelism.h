// How many threads one operation may use, and those threads.
#pragma once

#include "tarn/base/thread_team.h"

namespace tarn {

// TARN_NUM_THREADS, or as many as the process may run on. Throws std::bad_alloc if not even the
// settings can be read.
int max_parallelism();

// Of the process. In the child of a fork it begins without threads.
ThreadTeam& thread_team() noexcept;

}  // namespace tarn
