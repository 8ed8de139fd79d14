// Fills an array with numbers that follow from its indices.
#pragma once

#include "tarn/base/view.h"

namespace tarn::cpu {

// Every element becomes the one that `value` points to, of the dtype of `to`.
void fill(const void* value, const View& to);

// Element i becomes start + i * step. For floating types each element is computed in double and
// rounded once, those of 16 bits by way of float; for integers the increment is T(start + step) -
// T(start), as the interface has it, and results wrap. Requires: `to` is row-contiguous and not of
// bool.
void arange(double start, double step, const View& to);

// Ones at [i, i + diagonal], zeros elsewhere. Requires: `to` is a matrix.
void eye(int diagonal, const View& to);

}  // namespace tarn::cpu
