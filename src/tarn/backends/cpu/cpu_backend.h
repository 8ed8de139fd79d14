// The CPU as a backend: memory from the caching allocator, kernels of this CPU's instruction set.
#pragma once

#include <memory>

#include "tarn/runtime/backend.h"
#include "tarn/runtime/components.h"

namespace tarn {

std::unique_ptr<Backend> make_cpu_backend();
Components cpu_components();

}  // namespace tarn
