#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string_view>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/contraction.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

// A letter is its own label. The axes of "..." are numbered from the last one.
constexpr int kFirstEllipsisLabel = 256;

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// An operand, or a product of some, with its axes named.
struct Term {
  array value;
  Labels labels;
};

struct Equation {
  std::vector<Term> terms;
  Labels output;
  std::map<int, double> sizes;
};

// Labels of one term; "..." becomes `n_ellipsis` axes, of which there may be none.
Labels parse_term(std::string_view text, int n_ellipsis) {
  Labels labels;
  bool seen_ellipsis = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_letter(text[i])) {
      labels.push_back(text[i]);
      continue;
    }
    check(text.substr(i, 3) == "..." && !seen_ellipsis, "einsum",
          "wants letters and at most one \"...\" in a term, got \"{}\".", text);
    seen_ellipsis = true;
    i += 2;
    for (int axis = n_ellipsis; axis-- > 0;) labels.push_back(kFirstEllipsisLabel + axis);
  }
  return labels;
}

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  for (size_t begin = 0;;) {
    const size_t comma = text.find(',', begin);
    terms.push_back(text.substr(begin, comma - begin));
    if (comma == std::string_view::npos) return terms;
    begin = comma + 1;
  }
}

// Without "->": the axes of "...", then letters that appear once.
Labels implicit_output(const std::vector<Term>& terms, int n_ellipsis) {
  Labels output;
  for (int axis = n_ellipsis; axis-- > 0;) output.push_back(kFirstEllipsisLabel + axis);
  std::map<int, int> counts;
  for (const Term& term : terms) {
    for (int label : term.labels) ++counts[label];
  }
  for (const auto& [label, count] : counts) {
    if (label < kFirstEllipsisLabel && count == 1) output.push_back(label);
  }
  return output;
}

// Every label's size; one of one stretches.
std::map<int, double> label_sizes(const std::vector<Term>& terms) {
  std::map<int, double> sizes;
  for (const auto& [value, labels] : terms) {
    for (size_t axis = 0; axis < labels.size(); ++axis) {
      const double size = value.shape(int(axis));
      double& known = sizes.try_emplace(labels[axis], size).first->second;
      check(known == size || known == 1 || size == 1, "einsum",
            "an axis has size {} in one place and {} in another; shape {}.", known, size,
            value.shape());
      if (known == 1) known = size;
    }
  }
  return sizes;
}

Equation parse(std::string subscripts, const std::vector<array>& operands) {
  std::erase(subscripts, ' ');
  const size_t arrow = subscripts.find("->");
  const std::string_view inputs = std::string_view(subscripts).substr(0, arrow);
  const std::vector<std::string_view> texts = split_terms(inputs);
  check(!operands.empty() && texts.size() == operands.size(), "einsum",
        "\"{}\" has {} terms for {} operands.", subscripts, texts.size(), operands.size());
  int n_ellipsis = 0;
  Equation equation;
  for (size_t i = 0; i < texts.size(); ++i) {
    const int n_letters = int(parse_term(texts[i], 0).size());
    const int n_rest = int(operands[i].ndim()) - n_letters;
    const bool has_ellipsis = texts[i].find('.') != std::string_view::npos;
    check(has_ellipsis ? n_rest >= 0 : n_rest == 0, "einsum",
          "\"{}\" names {} axes of an operand of shape {}.", texts[i], n_letters,
          operands[i].shape());
    n_ellipsis = std::max(n_ellipsis, n_rest);
    equation.terms.push_back({operands[i], parse_term(texts[i], n_rest)});
  }
  equation.sizes = label_sizes(equation.terms);
  if (arrow == std::string::npos) {
    equation.output = implicit_output(equation.terms, n_ellipsis);
    return equation;
  }
  equation.output = parse_term(std::string_view(subscripts).substr(arrow + 2), n_ellipsis);
  for (int label : equation.output) {
    check(equation.sizes.count(label) != 0 &&
              std::count(equation.output.begin(), equation.output.end(), label) == 1,
          "einsum", "the result of \"{}\" must name axes of the operands, each once.", subscripts);
  }
  return equation;
}

// Labels that appear twice in a term become one axis, at the end.
void take_diagonals(Term& term, StreamOrDevice s) {
  for (size_t i = 0; i < term.labels.size(); ++i) {
    const auto again = std::find(term.labels.begin() + i + 1, term.labels.end(), term.labels[i]);
    if (again == term.labels.end()) continue;
    const int label = term.labels[i], other = int(again - term.labels.begin());
    check(term.value.shape(int(i)) == term.value.shape(other), "einsum",
          "axes {} and {} of shape {} have no diagonal.", i, other, term.value.shape());
    term.value = diagonal(term.value, 0, int(i), other, s);
    term.labels.erase(again);
    term.labels.erase(term.labels.begin() + i);
    term.labels.push_back(label);
    --i;
  }
}

// Axes of size one that are longer elsewhere say nothing.
void drop_stretched(Term& term, const std::map<int, double>& sizes, StreamOrDevice s) {
  std::vector<int> dropped;
  Labels labels;
  for (size_t axis = 0; axis < term.labels.size(); ++axis) {
    if (term.value.shape(int(axis)) == 1 && sizes.at(term.labels[axis]) != 1) {
      dropped.push_back(int(axis));
    } else {
      labels.push_back(term.labels[axis]);
    }
  }
  if (!dropped.empty()) term = {squeeze(term.value, dropped, s), std::move(labels)};
}

// Sums over the labels that are not kept, in the dtype of the term.
Term sum_others(Term term, const std::set<int>& kept, StreamOrDevice s) {
  std::vector<int> axes;
  Labels labels;
  for (size_t axis = 0; axis < term.labels.size(); ++axis) {
    if (kept.count(term.labels[axis]) != 0) {
      labels.push_back(term.labels[axis]);
    } else {
      axes.push_back(int(axis));
    }
  }
  if (axes.empty()) return term;
  const Dtype dtype = term.value.dtype();
  return {astype(sum(term.value, axes, false, s), dtype, s), std::move(labels)};
}

// Axes in the order of `labels`; those that the term lacks have size one.
array aligned(const Term& term, const Labels& labels, StreamOrDevice s) {
  std::vector<int> order, missing;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto found = std::find(term.labels.begin(), term.labels.end(), labels[i]);
    if (found != term.labels.end()) {
      order.push_back(int(found - term.labels.begin()));
    } else {
      missing.push_back(int(i));
    }
  }
  array value = transpose(term.value, std::move(order), s);
  return missing.empty() ? value : expand_dims(value, missing, s);
}

Labels joined(std::initializer_list<const Labels*> lists) {
  Labels result;
  for (const Labels* list : lists) result.insert(result.end(), list->begin(), list->end());
  return result;
}

// The labels of two terms by what becomes of them.
struct Roles {
  Labels batch, left, right, summed;

  Roles(const Term& a, const Term& b, const std::set<int>& kept) {
    for (int label : a.labels) {
      if (!has(b.labels, label)) {
        left.push_back(label);
      } else {
        (kept.count(label) != 0 ? batch : summed).push_back(label);
      }
    }
    for (int label : b.labels) {
      if (!has(a.labels, label)) right.push_back(label);
    }
  }
};

Shape shape_of(const Labels& labels, const std::map<int, double>& sizes) {
  Shape shape;
  for (int label : labels) shape.push_back(ShapeElem(sizes.at(label)));
  return shape;
}

// Requires: both terms have all their labels' sizes.
Term multiply_matrices(const Term& a, const Term& b, const Roles& roles,
                       const std::map<int, double>& sizes, StreamOrDevice s) {
  const auto matrices = [&](const Term& term, const Labels& rows, const Labels& columns) {
    Shape shape = shape_of(roles.batch, sizes);
    shape.push_back(safe_cast(size_of_shape(shape_of(rows, sizes)), "einsum"));
    shape.push_back(safe_cast(size_of_shape(shape_of(columns, sizes)), "einsum"));
    return reshape(aligned(term, joined({&roles.batch, &rows, &columns}), s), std::move(shape), s);
  };
  array product =
      matmul(matrices(a, roles.left, roles.summed), matrices(b, roles.summed, roles.right), s);
  Labels labels = joined({&roles.batch, &roles.left, &roles.right});
  return {reshape(product, shape_of(labels, sizes), s), std::move(labels)};
}

// The product, summed over the labels that are not kept.
Term contract(Term a, Term b, const std::set<int>& kept, const std::map<int, double>& sizes,
              StreamOrDevice s) {
  const auto united = [&](const Labels& labels) {
    std::set<int> result = kept;
    result.insert(labels.begin(), labels.end());
    return result;
  };
  a = sum_others(std::move(a), united(b.labels), s);
  b = sum_others(std::move(b), united(a.labels), s);
  const Roles roles(a, b, kept);
  if (!roles.summed.empty() && issubdtype(a.value.dtype(), inexact)) {
    return multiply_matrices(a, b, roles, sizes, s);
  }
  Labels labels = joined({&roles.batch, &roles.left, &roles.right, &roles.summed});
  Term product{multiply(aligned(a, labels, s), aligned(b, labels, s), s), labels};
  return sum_others(std::move(product), kept, s);
}

std::vector<Labels> labels_of(const Equation& equation) {
  std::vector<Labels> labels;
  for (const Term& term : equation.terms) labels.push_back(term.labels);
  return labels;
}

// The terms at ascending positions, taken from the list.
std::vector<Term> take_terms(std::vector<Term>& terms, const std::vector<int>& positions) {
  std::vector<Term> taken;
  for (int position : positions) taken.push_back(terms[position]);
  for (size_t i = positions.size(); i-- > 0;) terms.erase(terms.begin() + positions[i]);
  return taken;
}

// One term of several, from the left.
Term contract_all(std::vector<Term> taken, const Contraction& step,
                  const std::map<int, double>& sizes, StreamOrDevice s) {
  const std::set<int> kept(step.labels.begin(), step.labels.end());
  Term product = taken[0];
  for (size_t i = 1; i < taken.size(); ++i) {
    std::set<int> kept_now = kept;
    for (size_t j = i + 1; j < taken.size(); ++j) {
      kept_now.insert(taken[j].labels.begin(), taken[j].labels.end());
    }
    product = contract(std::move(product), taken[i], kept_now, sizes, s);
  }
  return sum_others(std::move(product), kept, s);
}

// Letters for the axes of "..." that the equation has left free.
std::string to_text(const Labels& labels, const Equation& equation) {
  std::string text;
  for (int label : labels) {
    int letter = label;
    if (label >= kFirstEllipsisLabel) {
      int skip = label - kFirstEllipsisLabel;
      for (letter = 'A'; equation.sizes.count(letter) != 0 || skip-- > 0;) {
        letter = letter == 'Z' ? 'a' : letter + 1;
      }
    }
    text += char(letter);
  }
  return text;
}

std::string describe(const Equation& equation, const ContractionPath& path) {
  std::string complete, steps;
  for (const Term& term : equation.terms) {
    complete += (complete.empty() ? "" : ",") + to_text(term.labels, equation);
  }
  double flops = 0, largest = 0;
  size_t scaling = 0;
  std::vector<Labels> left = labels_of(equation);
  for (const Contraction& step : path.steps) {
    std::string product;
    std::set<int> labels;
    for (int position : step.positions) {
      labels.insert(left[position].begin(), left[position].end());
      product += (product.empty() ? "" : ",") + to_text(left[position], equation);
    }
    for (size_t i = step.positions.size(); i-- > 0;) left.erase(left.begin() + step.positions[i]);
    left.push_back(step.labels);
    double size = 1;
    for (int label : step.labels) size *= equation.sizes.at(label);
    flops += step.flops;
    largest = std::max(largest, size);
    scaling = std::max(scaling, labels.size());
    steps +=
        fmt::format("\n{:>8} {:>24}->{}", labels.size(), product, to_text(step.labels, equation));
  }
  return fmt::format(
      "  Complete contraction:  {}->{}\n         Naive scaling:  {}\n"
      "     Optimized scaling:  {}\n      Naive FLOP count:  {:.3e}\n"
      "  Optimized FLOP count:  {:.3e}\n   Theoretical speedup:  {:.3f}\n"
      "  Largest intermediate:  {:.3e} elements\n scaling                  current{}\n",
      complete, to_text(equation.output, equation), equation.sizes.size(), scaling,
      path.naive_flops, flops, path.naive_flops / flops, largest, steps);
}

ContractionPath find_path(const Equation& equation) {
  return greedy_path(labels_of(equation), equation.output, equation.sizes);
}

}  // namespace

array einsum(const std::string& subscripts, const std::vector<array>& operands, StreamOrDevice s) {
  Equation equation = parse(subscripts, operands);
  const Dtype dtype = result_type(operands);
  for (Term& term : equation.terms) {
    term.value = astype(term.value, dtype, s);
    take_diagonals(term, s);
    drop_stretched(term, equation.sizes, s);
  }
  std::vector<Term> left = equation.terms;
  for (const Contraction& step : find_path(equation).steps) {
    left.push_back(contract_all(take_terms(left, step.positions), step, equation.sizes, s));
  }
  return aligned(left[0], equation.output, s);
}

std::pair<std::vector<std::vector<int>>, std::string> einsum_path(
    const std::string& subscripts, const std::vector<array>& operands) {
  const Equation equation = parse(subscripts, operands);
  const ContractionPath path = find_path(equation);
  std::vector<std::vector<int>> positions;
  for (const Contraction& step : path.steps) positions.push_back(step.positions);
  return {std::move(positions), describe(equation, path)};
}

}  // namespace tarn
