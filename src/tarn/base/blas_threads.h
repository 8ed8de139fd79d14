// OpenBLAS makes its threads when it is loaded, and they spin for a tenth of a second after all
// work: in the way of programs, or of measurements, that do other things meanwhile.
#pragma once

#include <dlfcn.h>

namespace tarn {

// Ends OpenBLAS's threads; it makes new ones when it needs them. Requires: nothing is being
// multiplied.
inline void stop_blas_threads() {
  void* const shutdown = dlsym(RTLD_DEFAULT, "blas_thread_shutdown_");
  if (shutdown != nullptr) reinterpret_cast<int (*)()>(shutdown)();
}

}  // namespace tarn
