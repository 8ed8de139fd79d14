#include "tarn/ops/contraction.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

namespace tarn {

namespace {

using LabelSet = std::set<int>;

LabelSet united(const LabelSet& a, const LabelSet& b) {
  LabelSet result = a;
  result.insert(b.begin(), b.end());
  return result;
}

bool are_disjoint(const LabelSet& a, const LabelSet& b) {
  return std::none_of(a.begin(), a.end(), [&](int label) { return b.count(label) != 0; });
}

class GreedySearch {
 public:
  GreedySearch(const std::vector<Labels>& operands, const Labels& output,
               const std::map<int, double>& sizes)
      : output_(output.begin(), output.end()), sizes_(sizes) {
    limit_ = size(output_);
    for (const Labels& labels : operands) {
      left_.push_back({n_terms_++, LabelSet(labels.begin(), labels.end())});
      limit_ = std::max(limit_, size(left_.back().labels));
      all_ = united(all_, left_.back().labels);
    }
  }

  ContractionPath run() {
    const double naive = contraction_of_all().flops;
    path_.naive_flops = naive;
    if (left_.size() > 2 && all_ != output_) contract_pairs();
    if (path_.steps.empty() || left_.size() > 1) path_.steps.push_back(contraction_of_all());
    return std::move(path_);
  }

 private:
  // An operand or a product, told from others by its number.
  struct Term {
    int number;
    LabelSet labels;
  };
  struct Pair {
    int first, second;  // numbers of terms
    double freed;       // elements
    Contraction contraction;
  };

  double size(const LabelSet& labels) const {
    double product = 1;
    for (int label : labels) product *= sizes_.at(label);
    return product;
  }

  // Of terms with these labels, when the labels in `kept` are needed later.
  Contraction contraction(const LabelSet& labels, const LabelSet& kept, size_t n_terms) const {
    Contraction result;
    std::set_intersection(labels.begin(), labels.end(), kept.begin(), kept.end(),
                          std::back_inserter(result.labels));
    const bool sums = result.labels.size() < labels.size();
    const double per_element = std::max<double>(1, double(n_terms) - 1) + (sums ? 1 : 0);
    result.flops = per_element * size(labels);
    return result;
  }

  Contraction contraction_of_all() const {
    LabelSet labels;
    Contraction result;
    for (const Term& term : left_) labels = united(labels, term.labels);
    result = contraction(labels, output_, left_.size());
    for (size_t i = 0; i < left_.size(); ++i) result.positions.push_back(int(i));
    return result;
  }

  // Nothing if the product is too large, or the path longer than the naive one.
  std::optional<Pair> try_pair(size_t first, size_t second) const {
    LabelSet kept = output_;
    for (size_t i = 0; i < left_.size(); ++i) {
      if (i != first && i != second) kept = united(kept, left_[i].labels);
    }
    const Term &a = left_[first], &b = left_[second];
    Contraction product = contraction(united(a.labels, b.labels), kept, 2);
    const double product_size = size(LabelSet(product.labels.begin(), product.labels.end()));
    if (product_size > limit_ || flops_ + product.flops > path_.naive_flops) return std::nullopt;
    return Pair{a.number, b.number, size(a.labels) + size(b.labels) - product_size,
                std::move(product)};
  }

  void contract_pairs() {
    std::vector<Pair> pairs;
    const auto consider = [&](size_t first, size_t second) {
      if (std::optional<Pair> pair = try_pair(first, second)) pairs.push_back(std::move(*pair));
    };
    const auto consider_all = [&](bool disjoint_too) {
      for (size_t i = 0; i < left_.size(); ++i) {
        for (size_t j = i + 1; j < left_.size(); ++j) {
          if (disjoint_too || !are_disjoint(left_[i].labels, left_[j].labels)) consider(i, j);
        }
      }
    };
    consider_all(false);
    while (left_.size() > 1) {
      if (pairs.empty()) consider_all(true);
      if (pairs.empty()) return;
      contract(*std::min_element(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        if (a.freed != b.freed) return a.freed > b.freed;
        return a.contraction.flops < b.contraction.flops;
      }));
      std::erase_if(pairs, [&](const Pair& pair) {
        return position(pair.first) == left_.size() || position(pair.second) == left_.size();
      });
      const size_t last = left_.size() - 1;
      for (size_t i = 0; i < last; ++i) {
        if (!are_disjoint(left_[i].labels, left_[last].labels)) consider(i, last);
      }
    }
  }

  size_t position(int number) const {
    return std::find_if(left_.begin(), left_.end(),
                        [&](const Term& term) { return term.number == number; }) -
           left_.begin();
  }

  void contract(const Pair& pair) {
    Contraction step = pair.contraction;
    size_t first = position(pair.first), second = position(pair.second);
    if (first > second) std::swap(first, second);
    step.positions = {int(first), int(second)};
    flops_ += step.flops;
    left_.erase(left_.begin() + second);
    left_.erase(left_.begin() + first);
    left_.push_back({n_terms_++, LabelSet(step.labels.begin(), step.labels.end())});
    path_.steps.push_back(std::move(step));
  }

  const LabelSet output_;
  const std::map<int, double>& sizes_;
  LabelSet all_;
  std::vector<Term> left_;
  int n_terms_ = 0;
  double limit_;      // elements of a product
  double flops_ = 0;  // of the steps so far
  ContractionPath path_;
};

}  // namespace

ContractionPath greedy_path(const std::vector<Labels>& operands, const Labels& output,
                            const std::map<int, double>& sizes) {
  return GreedySearch(operands, output, sizes).run();
}

}  // namespace tarn
