// Sums of products by Einstein's convention.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// A letter for each axis of each operand and of the result, "ij,jk->ik": letters that the result
// lacks are summed over, a letter twice in an operand is its diagonal, "..." stands for axes that
// broadcast, an axis of size one stretches. Without "->" the result has the axes of "..." and then
// the letters that appear once, in alphabetical order. Any dtype; pairs of operands are contracted
// by matrix products where they are floating or complex. Throws std::invalid_argument for
// subscripts that mean nothing or do not fit the operands.
array einsum(const std::string& subscripts, const std::vector<array>& operands,
             StreamOrDevice s = {});

// In which order einsum contracts: the positions of operands that are taken from the list and
// replaced by their product at its end, step by step; and a text for people about it. The order is
// NumPy's greedy one.
std::pair<std::vector<std::vector<int>>, std::string> einsum_path(
    const std::string& subscripts, const std::vector<array>& operands);

}  // namespace tarn
