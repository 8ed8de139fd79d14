// Products of matrices and vectors.
#pragma once

#include <optional>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Products over the last axis of a and the last but one of b; leading axes broadcast. A vector on
// the left is a row, one on the right a column, and the result lacks that axis. At least one dtype
// must be floating or complex; a scalar is an error.
array matmul(const array& a, const array& b, StreamOrDevice s = {});
// alpha a b + beta c, where c broadcasts to the product.
array addmm(array c, array a, array b, const float& alpha = 1.f, const float& beta = 1.f,
            StreamOrDevice s = {});

// Sums of products over the last `axis` axes of a and the first of b, or over pairs of axes of the
// same sizes: the other axes of a, then those of b, remain. Dtypes as in matmul.
array tensordot(const array& a, const array& b, const int axis = 2, StreamOrDevice s = {});
array tensordot(const array& a, const array& b, const std::vector<int>& axes_a,
                const std::vector<int>& axes_b, StreamOrDevice s = {});
// Over the last axes of both; the product if one is a scalar.
array inner(const array& a, const array& b, StreamOrDevice s = {});
// Of vectors along one axis of arrays that broadcast; of complex ones, the first is conjugated.
// Any dtype.
array vecdot(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

// Every element of the flat a times every element of the flat b: (size of a, size of b). Any dtype.
array outer(const array& a, const array& b, StreamOrDevice s = {});
// The Kronecker product: a block a[i, j, …] b for each element of a. Any dtype.
array kron(const array& a, const array& b, StreamOrDevice s = {});

// Products of matrices that indices pick: a[lhs_indices] b[rhs_indices], where matrices are
// numbered through all axes but the last two. Index arrays broadcast; one that is missing picks
// every matrix in turn. Runs of one right side, as sorted indices have, are multiplied at once. An
// index out of bounds is an index failure of the node.
array gather_mm(array a, array b, std::optional<array> lhs_indices = std::nullopt,
                std::optional<array> rhs_indices = std::nullopt, bool sorted_indices = false,
                StreamOrDevice s = {});
// Products over segments of the inner axis of matrices (m, k) and (k, n): segments (…, 2) hold
// where each begins and ends, the result is (…, m, n). Bounds outside are an index failure.
array segmented_mm(array a, array b, array segments, StreamOrDevice s = {});
// The product of a and b after blocks of block_size, 32 or 64, rows and columns of a, of b and of
// the result have been multiplied by an element of a mask each; false makes zeros. Floating dtypes.
array block_masked_mm(array a, array b, int block_size,
                      std::optional<array> mask_out = std::nullopt,
                      std::optional<array> mask_lhs = std::nullopt,
                      std::optional<array> mask_rhs = std::nullopt, StreamOrDevice s = {});

// Rows, along the last axis, of m 2^k elements, m being 1, 12, 20 or 28, multiplied by the
// Kronecker product of Hadamard matrices of order m and 2^k and by `scale`, one over the root of
// their length if there is none. That of order 2^k is Sylvester's, those of order 12, 20 and 28 are
// Paley's and Williamson's. Of dtypes that are not floating: float32.
array hadamard_transform(const array& a, std::optional<float> scale = std::nullopt,
                         StreamOrDevice s = {});

}  // namespace tarn
