#include <cblas.h>
#include <fmt/format.h>
#include <hwy/highway.h>

#include <dnnl.hpp>

#include "tarn/backends/cpu/cpu_backend.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn {

Components cpu_components() {
  const dnnl_version_t* dnn = dnnl_version();
  // "OpenBLAS 0.3.21 NO_LAPACKE …"
  const std::string blas = openblas_get_config();
  const size_t number = blas.find(' ') + 1;
  return {.isa = cpu::kernels().isa,
          .n_threads = cpu::num_threads(),
          .libraries = {{"Highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
                        {"oneDNN", fmt::format("{}.{}.{}", dnn->major, dnn->minor, dnn->patch)},
                        {"OpenBLAS", blas.substr(number, blas.find(' ', number) - number)}}};
}

}  // namespace tarn
