// How much host memory arrays use, and may use. Names as in MLX; sizes in bytes; thread-safe.
#pragma once

#include <cstddef>

namespace tarn {

// The capacities of all live buffers. Exact while no other thread is allocating or freeing.
size_t get_active_memory();

// The most that was active since the start or the last reset, which sets it to 0. Exact for
// programs in which one thread at a time allocates. Otherwise blocks of less than 256 KiB in other
// threads may be missed or counted together, 1 MiB a thread at most.
size_t get_peak_memory();
void reset_peak_memory();

// Bytes kept for reuse. Free slots for buffers of up to 4 KiB are not counted: they come from pages
// shared with live ones.
size_t get_cache_memory();

// An allocation that would make more than this active throws OutOfMemory. By default 0.8 of the
// machine's memory or 0.95 of the cgroup's limit, whichever is less. Returns the previous limit.
size_t set_memory_limit(size_t limit);
size_t get_memory_limit();

// What exceeds the limit is given back to the system at once. By default half the memory limit.
// Returns the previous limit.
size_t set_cache_limit(size_t limit);

// Gives all of the cache back to the system. Waits for the work of all CPU streams first, unless it
// is called from such work.
void clear_cache();

// Host memory is never wired: does nothing and returns 0.
size_t set_wired_limit(size_t limit);

}  // namespace tarn
