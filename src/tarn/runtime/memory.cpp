#include "tarn/runtime/memory.h"

#include "tarn/runtime/cpu_memory.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

size_t get_active_memory() { return CpuMemory::instance().active(); }
size_t get_peak_memory() { return CpuMemory::instance().peak(); }
void reset_peak_memory() { CpuMemory::instance().reset_peak(); }
size_t get_cache_memory() { return CpuMemory::instance().cached(); }

size_t set_memory_limit(size_t limit) { return CpuMemory::instance().set_memory_limit(limit); }
size_t get_memory_limit() { return CpuMemory::instance().memory_limit(); }
size_t set_cache_limit(size_t limit) { return CpuMemory::instance().set_cache_limit(limit); }
void clear_cache() {
  if (!RunningQueue::any()) {
    for (Stream stream : Runtime::instance().streams()) {
      StreamQueue& queue = Runtime::instance().stream(stream).queue;
      if (stream.device != Device::cpu) continue;
      if (auto reached = mark(queue)) reached->wait();
    }
  }
  CpuMemory::instance().clear_cache();
}
size_t set_wired_limit(size_t) { return 0; }

}  // namespace tarn
