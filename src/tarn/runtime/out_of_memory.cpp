#include "tarn/runtime/out_of_memory.h"

#include <cstdio>

namespace tarn {

OutOfMemory::OutOfMemory(size_t wanted, size_t active, size_t limit) noexcept
    : wanted_(wanted), active_(active), limit_(limit) {
  std::snprintf(message_, sizeof message_,
                "out of memory: wanted %zu bytes, %zu are active, the limit is %zu", wanted, active,
                limit);
}

}  // namespace tarn
