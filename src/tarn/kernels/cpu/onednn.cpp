#include "tarn/kernels/cpu/onednn.h"

#include <dnnl_debug.h>
#include <fmt/format.h>

#include <new>
#include <stdexcept>
#include <string_view>

#include "tarn/kernels/cpu/kernel_table.h"

// Of GNU OpenMP, which Debian's oneDNN runs on. Not from <omp.h>, which clang does not find.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int n);
}

namespace tarn::cpu {

namespace {

// TARN_ISA holds for oneDNN, too. It refuses if it has been used before in this process; then it
// keeps the instruction set it has chosen.
void limit_instruction_set() {
  if (std::string_view(kernels().isa) == "avx2") dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
}

}  // namespace

dnnl_cpu_isa_t onednn_isa() {
  static const dnnl_cpu_isa_t isa = [] {
    limit_instruction_set();
    return dnnl_get_effective_cpu_isa();
  }();
  return isa;
}

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

void throw_unless_ok(dnnl_status_t status, const char* op) {
  if (status == dnnl_success) return;
  if (status == dnnl_out_of_memory) throw std::bad_alloc();
  throw std::runtime_error(fmt::format("[{}] oneDNN reports {}", op, dnnl_status2str(status)));
}

OneOpenMpThread::OneOpenMpThread() : before_(omp_get_max_threads()) {
  if (before_ != 1) omp_set_num_threads(1);
}

OneOpenMpThread::~OneOpenMpThread() {
  if (before_ != 1) omp_set_num_threads(before_);
}

}  // namespace tarn::cpu
