// Layers that bring the rows of an array, along its last axis, to a common scale.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// Moments are added up in double in blocks of floats, and do not lose digits to a mean that is
// large beside the deviation.
// Requires: floating dtypes, the same everywhere; `out` is row-major, of the shape of `x`, and the
// same memory as `x`, row-major, or other memory; `weight` and `bias` are null or vectors with an
// element for each of a row.

// x / sqrt(mean(x^2) + eps) weight.
void rms_norm(const View& x, const View* weight, float eps, const View& out);

// (x - mean(x)) / sqrt(var(x) + eps) weight + bias.
void layer_norm(const View& x, const View* weight, const View* bias, float eps, const View& out);

}  // namespace tarn::cpu
