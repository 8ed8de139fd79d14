// Where bfloat16 are multiplied in pairs.
#pragma once

#include <string_view>

namespace tarn::cpu {

// Whether this CPU has VDPBF16PS, which adds two products of bfloat16 to each float, and so has the
// build for `isa`, which is named as in TARN_ISA.
bool has_bfloat16_pairs(std::string_view isa);

// Whether that is faster there than multiplying floats. Intel's processors start one every other
// cycle and two multiply-adds in each, so that pairs take twice as long; AMD's gain by them.
bool bfloat16_pairs_are_fast(std::string_view isa);

}  // namespace tarn::cpu
