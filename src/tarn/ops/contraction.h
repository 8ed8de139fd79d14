// Which operands of a sum of products to multiply first.
#pragma once

#include <map>
#include <vector>

namespace tarn {

// The axes of an array by name: one number for each axis that einsum knows.
using Labels = std::vector<int>;

struct Contraction {
  std::vector<int> positions;  // in the list of what is left, ascending; the result goes to its end
  Labels labels;               // of the result, sorted
  double flops;
};

struct ContractionPath {
  std::vector<Contraction> steps;
  double naive_flops;  // of all operands at once
};

// As NumPy's einsum_path with optimize="greedy" orders them: the pair whose product frees most
// elements first, then the cheapest, pairs without a common label last; no product larger than the
// largest operand or the output; all that is left at once when no pair is good.
ContractionPath greedy_path(const std::vector<Labels>& operands, const Labels& output,
                            const std::map<int, double>& sizes);

}  // namespace tarn
