// Where bfloat16 are multiplied in pairs.
#pragma once

#include <string_view>
#include <vector>

#include "tarn/kernels/cpu/kernel_table.h"

namespace tarn::cpu {

// Whether this CPU has VDPBF16PS, which adds two products of bfloat16 to each float, and so has the
// build for `isa`, which is named as in TARN_ISA.
bool has_bfloat16_pairs(std::string_view isa);

// Whether that is faster there than multiplying floats. Intel's processors start one every other
// cycle and two multiply-adds in each, so that pairs take twice as long; AMD's gain by them.
bool bfloat16_pairs_are_fast(std::string_view isa);

// What make(isa, in_pairs) gives for all instruction sets that this CPU can run, widest first, each
// without pairs and, where there are such, with them.
template <class Kernels>
std::vector<Kernels> make_runnable(Kernels (*make)(const char* isa, bool in_pairs)) {
  std::vector<Kernels> tables;
  for (const KernelTable* table : runnable_kernels()) {
    tables.push_back(make(table->isa, false));
    if (has_bfloat16_pairs(table->isa)) tables.push_back(make(table->isa, true));
  }
  return tables;
}

}  // namespace tarn::cpu
