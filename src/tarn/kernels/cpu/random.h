// Random bits and uniform numbers on the CPU. Outputs are row-major.
#pragma once

#include "tarn/base/view.h"
#include "tarn/ops/random.h"

namespace tarn::cpu {

void random_bits(const View& keys, const View& out);
void random_uniform(const ops::RandomUniform& op, const View& keys, const View& range,
                    const View& low, const View& out);

}  // namespace tarn::cpu
