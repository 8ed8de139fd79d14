#include "tarn/kernels/cpu/kernel_table.h"

#include <hwy/targets.h>

#include <stdexcept>
#include <vector>

#include "tarn/base/settings.h"
#include "tarn/kernels/cpu/complex_elementwise.h"

// What each build of kernels/cpu/isa defines, in Highway's name for its target.
#define TARN_DECLARE_ISA(target)                         \
  namespace tarn::target {                               \
  extern const int64_t kRequiredTarget;                  \
  void fill_kernel_table(tarn::cpu::KernelTable& table); \
  }
TARN_DECLARE_ISA(N_AVX2)
TARN_DECLARE_ISA(N_AVX3)
#undef TARN_DECLARE_ISA

namespace tarn::cpu {

namespace {

struct Isa {
  const char* name;
  Settings::Isa setting;
  int64_t required_target;
  void (*fill)(KernelTable& table);
};

// Widest first.
std::span<const Isa> isas() {
  static const Isa kIsas[] = {
      {"avx512", Settings::Isa::avx512, N_AVX3::kRequiredTarget, N_AVX3::fill_kernel_table},
      {"avx2", Settings::Isa::avx2, N_AVX2::kRequiredTarget, N_AVX2::fill_kernel_table},
  };
  return kIsas;
}

struct RunnableTables {
  KernelTable tables[2] = {};
  std::vector<const KernelTable*> runnable;
  const KernelTable* chosen = nullptr;

  RunnableTables() {
    const Settings::Isa widest = settings().isa;
    for (const Isa& isa : isas()) {
      if (!(hwy::SupportedTargets() & isa.required_target)) continue;
      KernelTable& table = tables[runnable.size()];
      table.isa = isa.name;
      isa.fill(table);
      add_complex_kernels(table);
      runnable.push_back(&table);
      if (chosen == nullptr && (widest == Settings::Isa::best || isa.setting <= widest)) {
        chosen = &table;
      }
    }
    if (runnable.empty()) throw std::runtime_error("[tarn] this CPU has neither AVX2 nor AVX-512");
    if (chosen == nullptr) chosen = runnable.back();
  }
};

const RunnableTables& runnable_tables() {
  static const RunnableTables tables;
  return tables;
}

}  // namespace

const KernelTable& kernels() { return *runnable_tables().chosen; }

std::span<const KernelTable* const> runnable_kernels() { return runnable_tables().runnable; }

}  // namespace tarn::cpu
