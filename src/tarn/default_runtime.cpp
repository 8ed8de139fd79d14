// The composition root: the one place that names the backends.
#include "tarn/backends/cpu/cpu_backend.h"
#include "tarn/runtime/backend.h"

namespace tarn {

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend());
  return backends;
}

Components installed_components() { return cpu_components(); }

}  // namespace tarn
