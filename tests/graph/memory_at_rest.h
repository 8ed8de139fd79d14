// For tests of how much memory something takes.
#pragma once

#include "tarn/runtime/memory.h"
#include "tarn/tarn.h"

namespace tarn {

// Once the streams are idle: they drop what they worked on a moment after its value is there.
inline size_t active_memory_at_rest() {
  try {
    synchronize();
  } catch (const EvalError&) {
    // Of another test, which may have left one behind.
  }
  return get_active_memory();
}

}  // namespace tarn
