// What calls of oneDNN have in common. For .cpp files: it brings all of oneDNN along.
#pragma once

#include <dnnl.hpp>

namespace tarn::cpu {

// What oneDNN uses in this process. To be asked before the first call of oneDNN, which it makes
// keep to TARN_ISA.
dnnl_cpu_isa_t onednn_isa();

const dnnl::engine& onednn_engine();

// Throws std::bad_alloc, or std::runtime_error with what oneDNN reports, unless that is success.
void throw_unless_ok(dnnl_status_t status, const char* op);

// oneDNN spreads work over OpenMP's threads, beside ours: while one of these lives, what the thread
// calls runs on that thread alone. OpenMP's setting belongs to the calling thread, which may be the
// user's.
class OneOpenMpThread {
 public:
  OneOpenMpThread();
  ~OneOpenMpThread();
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  const int before_;
};

}  // namespace tarn::cpu
