// Which processors multiply bfloat16 in pairs.
#pragma once

namespace tarn::cpu {

// Whether this CPU has VDPBF16PS, which adds two products of bfloat16 to each float.
bool has_bfloat16_pairs();

// Whether that is faster than multiplying floats. Intel's processors start one every other cycle
// and two multiply-adds in each, so that pairs take twice as long there; AMD's gain by them.
bool bfloat16_pairs_are_fast();

}  // namespace tarn::cpu
