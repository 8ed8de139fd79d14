// The public functions on arrays. Names, parameters and behaviour are MLX's; what Python users know
// of NumPy holds.
//
// All build nodes: nothing is computed until somebody evaluates. A user's mistake throws
// std::invalid_argument when the node is built, with the operation and the shapes; an axis out of
// range in a reduction throws std::out_of_range, a dimension beyond int32 std::overflow_error.
// Arrays broadcast against each other, dtypes promote (promote_types).
#pragma once

#include "tarn/ops/functions/attention.h"
#include "tarn/ops/functions/conv.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/diagonals.h"
#include "tarn/ops/functions/einsum.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/fast.h"
#include "tarn/ops/functions/fft.h"
#include "tarn/ops/functions/graph.h"
#include "tarn/ops/functions/indexing.h"
#include "tarn/ops/functions/linalg.h"
#include "tarn/ops/functions/matmul.h"
#include "tarn/ops/functions/quantized.h"
#include "tarn/ops/functions/random.h"
#include "tarn/ops/functions/rearrange.h"
#include "tarn/ops/functions/reduce.h"
#include "tarn/ops/functions/scan.h"
#include "tarn/ops/functions/scatter.h"
#include "tarn/ops/functions/shape.h"
#include "tarn/ops/functions/sort.h"
