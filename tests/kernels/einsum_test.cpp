#include "tarn/ops/functions/einsum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tarn/ops/functions/creation.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;

struct Case {
  std::vector<std::string> terms;
  std::string output;

  std::string text() const {
    std::string text = terms[0];
    for (size_t i = 1; i < terms.size(); ++i) text += "," + terms[i];
    return text + "->" + output;
  }
};

// Small integers, which every dtype and order of summation gets right.
array random_operand(std::mt19937& random, const Shape& shape, Dtype dtype) {
  std::vector<int> values(static_cast<size_t>(size_of_shape(shape)));
  for (int& x : values) x = pick(random, 0, 2);
  return array(values.begin(), shape, dtype);
}

// Counts through the values of all letters. An axis of size one stretches.
std::vector<double> naive_einsum(const Case& c, const std::vector<array>& operands,
                                 const std::map<char, int>& sizes) {
  std::vector<std::vector<double>> values;
  for (const array& operand : operands) values.push_back(values_of(operand));
  size_t n_results = 1;
  for (char letter : c.output) n_results *= size_t(sizes.at(letter));
  std::vector<double> results(n_results);
  std::map<char, int> at;
  int64_t n_points = 1;
  for (const auto& [letter, size] : sizes) n_points *= size;
  for (int64_t point = 0; point < n_points; ++point) {
    int64_t rest = point;
    for (const auto& [letter, size] : sizes) {
      at[letter] = int(rest % size);
      rest /= size;
    }
    double product = 1;
    for (size_t i = 0; i < operands.size(); ++i) {
      size_t offset = 0;
      for (size_t axis = 0; axis < c.terms[i].size(); ++axis) {
        const int size = operands[i].shape(int(axis));
        offset = offset * size_t(size) + size_t(size == 1 ? 0 : at[c.terms[i][axis]]);
      }
      product *= values[i][offset];
    }
    size_t to = 0;
    for (char letter : c.output) to = to * size_t(sizes.at(letter)) + size_t(at[letter]);
    results[to] += product;
  }
  return results;
}

Case random_case(std::mt19937& random) {
  const std::string letters = "abcdeF";
  Case c;
  std::set<char> used;
  const int n_terms = pick(random, 1, 4);
  for (int i = 0; i < n_terms; ++i) {
    std::string& term = c.terms.emplace_back();
    const int n = pick(random, 0, 3);
    for (int axis = 0; axis < n; ++axis) {
      term += letters[size_t(pick(random, 0, int(letters.size()) - 1))];
      used.insert(term.back());
    }
  }
  std::string all(used.begin(), used.end());
  std::shuffle(all.begin(), all.end(), random);
  c.output = all.substr(0, size_t(pick(random, 0, int(all.size()))));
  return c;
}

TEST(Einsum, agrees_with_loops_over_all_letters) {
  std::mt19937 random(1);
  for (const Dtype dtype : {float32, float64, bfloat16, complex64, int32, int8}) {
    for (int round = 0; round < 120; ++round) {
      const Case c = random_case(random);
      std::map<char, int> sizes;
      for (const std::string& term : c.terms) {
        for (char letter : term) {
          sizes[letter] = pick(random, 0, 30) == 0 ? 0 : pick(random, 1, dtype == int8 ? 2 : 3);
        }
      }
      std::vector<array> operands;
      for (const std::string& term : c.terms) {
        Shape shape;
        for (char letter : term) shape.push_back(sizes[letter]);
        operands.push_back(random_operand(random, shape, dtype));
      }
      SCOPED_TRACE(c.text());
      array result = einsum(c.text(), operands);
      ASSERT_EQ(result.dtype(), dtype);
      // bfloat16 keeps eight bits of a sum.
      std::vector<double> want = naive_einsum(c, operands, sizes);
      const double largest = want.empty() ? 0 : *std::max_element(want.begin(), want.end());
      if (dtype == int8 && largest > 127) continue;
      ASSERT_THAT(values_of(result),
                  Pointwise(DoubleNear(dtype == bfloat16 ? 0.03 * largest : 0), want));
    }
  }
}

TEST(Einsum, axes_of_size_one_stretch) {
  std::mt19937 random(2);
  for (const Case& c : {Case{{"ab", "bc"}, "c"}, Case{{"ab", "bc"}, "abc"}, Case{{"ab", "ab"}, ""},
                        Case{{"abc", "cab", "b"}, "ca"}}) {
    for (int round = 0; round < 30; ++round) {
      std::map<char, int> sizes{{'a', 1}, {'b', 1}, {'c', 1}};
      std::vector<array> operands;
      for (const std::string& term : c.terms) {
        Shape shape;
        for (char letter : term) {
          const int size = pick(random, 0, 1) == 0 ? 1 : letter - 'a' + 2;
          shape.push_back(size);
          sizes[letter] = std::max(sizes[letter], size);
        }
        operands.push_back(random_operand(random, shape, float64));
      }
      std::erase_if(sizes, [&](const auto& entry) {
        return c.text().find(entry.first) == std::string::npos;
      });
      SCOPED_TRACE(c.text());
      ASSERT_THAT(values_of(einsum(c.text(), operands)),
                  Pointwise(DoubleNear(0), naive_einsum(c, operands, sizes)));
    }
  }
}

TEST(Einsum, ellipses_stand_for_axes) {
  struct Pair {
    const char* spelled_out;
    const char* subscripts;
  };
  std::mt19937 random(3);
  const std::map<char, int> sizes{{'a', 2}, {'b', 3}, {'c', 4}, {'d', 5}, {'e', 2},
                                  {'f', 3}, {'g', 4}, {'h', 5}, {'i', 2}, {'j', 3}};
  for (const auto& [spelled_out, subscripts] :
       {Pair{"abc->ab", "...c->..."}, Pair{"abcd->bc", "a...d->..."},
        Pair{"abij,abgj->abig", "...ij,...gj->...ig"}, Pair{"abhh->abh", "...hh->...h"},
        Pair{"bch,abcj->abchj", "...h,...j->...hj"}, Pair{"bc,cd->bd", "...c,cd"},
        Pair{"abc,acd->abd", "...bc,...cd"}, Pair{"abcd,c->dab", "...cd,c...->d..."},
        Pair{"abc,b->abc", "ab...,b...->ab..."}, Pair{"ab,bc->ac", "ab...,b...->a..."},
        Pair{"abcdef,defg->abcg", "...def,defg->...g"}, Pair{"ab,ab->", "ab,ab"},
        Pair{"ba->ab", "ba"}, Pair{"ab,bC->Ca", "a b, bC"}, Pair{"aa->", "aa"}}) {
    std::vector<array> operands;
    Case c{{""}, ""};
    const std::string text = spelled_out;
    for (char letter : text.substr(0, text.find("->"))) {
      if (letter == ',') {
        c.terms.emplace_back();
      } else {
        c.terms.back() += letter;
      }
    }
    c.output = text.substr(text.find("->") + 2);
    std::map<char, int> used;
    for (const std::string& term : c.terms) {
      Shape shape;
      for (char letter : term) {
        used[letter] = sizes.at(char(std::tolower(letter)));
        shape.push_back(used[letter]);
      }
      operands.push_back(random_operand(random, shape, float64));
    }
    SCOPED_TRACE(subscripts);
    ASSERT_THAT(values_of(einsum(subscripts, operands)),
                Pointwise(DoubleNear(0), naive_einsum(c, operands, used)));
  }
}

TEST(Einsum, mistakes) {
  const array a = zeros({2, 3}), b = zeros({3, 4});
  const auto fails = [](const std::string& subscripts, const std::vector<array>& operands) {
    EXPECT_THROW(einsum(subscripts, operands), std::invalid_argument) << subscripts;
    EXPECT_THROW(einsum_path(subscripts, operands), std::invalid_argument) << subscripts;
  };
  fails("ij,jk", {a});
  fails("ij", {a, b});
  fails("", {});
  fails("ijk", {a});
  fails("i", {a});
  fails("i...jk", {a});
  fails("i1", {a});
  fails("i.j", {a});
  fails("...i...", {a});
  fails("ij->ijk", {a});
  fails("ij->ii", {a});
  fails("ij->i->j", {a});
  fails("ij,ji", {a, b});
  fails("ij,jk->i..j", {a, b});
  EXPECT_THROW(einsum("ii", {a}), std::invalid_argument);
  EXPECT_THROW(einsum("ii", {zeros({1, 3})}), std::invalid_argument);
}

TEST(EinsumPath, is_that_of_numpy) {
  struct Expected {
    std::string subscripts;
    std::vector<std::vector<int>> path;
  };
  // From numpy.einsum_path of NumPy 1.24.
  const std::vector<Expected> expected = {
      {"eb,cb,fb->cef", {{0, 2}, {0, 1}}},
      {"dd,fb,be,cdb->cef", {{0, 3}, {0, 1}, {0, 1}}},
      {"bca,cdb,dbf,afc->", {{1, 2}, {0, 2}, {0, 1}}},
      {"dcc,fce,ea,dbf->ab", {{1, 2}, {0, 1}, {0, 1}}},
      {"ab,cd,ef->abcdef", {{0, 1, 2}}},
      {"abcd,ea,fb,gc,hd->efgh", {{0, 3}, {2, 3}, {1, 2}, {0, 1}}},
      {"ab,bc,cd,de,ef->af", {{2, 3}, {1, 3}, {1, 2}, {0, 1}}},
      {"a,b,c,abc->", {{2, 3}, {1, 2}, {0, 1}}},
      {"bde,cdh,agdb,hica,ibd,hgicd,hiac", {{3, 6}, {1, 4}, {3, 4}, {2, 3}, {1, 2}, {0, 1}}},
      {"ij,jk,kl->il", {{0, 1}, {0, 1}}},
      {"aa->a", {{0}}},
      {"ab,bc", {{0, 1}}}};
  const std::string letters = "abcdefghijkl";
  const int sizes[] = {2, 3, 4, 5, 4, 3, 2, 6, 5, 4, 3, 2};
  for (const auto& [subscripts, path] : expected) {
    std::vector<array> operands;
    Shape shape;
    const std::string inputs = subscripts.substr(0, subscripts.find("->")) + ",";
    for (char letter : inputs) {
      if (letter == ',') {
        operands.push_back(zeros(shape));
        shape.clear();
      } else {
        shape.push_back(sizes[letters.find(letter)]);
      }
    }
    EXPECT_EQ(einsum_path(subscripts, operands).first, path) << subscripts;
  }
}

TEST(EinsumPath, text_tells_what_it_saves) {
  const auto [path, text] =
      einsum_path("...ij,jk,kl", {zeros({2, 5, 8}), zeros({8, 10}), zeros({10, 7})});
  EXPECT_THAT(text, HasSubstr("Complete contraction:  Aij,jk,kl->Ail\n"));
  EXPECT_THAT(text, HasSubstr("Naive scaling:  5\n"));
  EXPECT_THAT(text, HasSubstr("Optimized scaling:  4\n"));
  EXPECT_THAT(text, HasSubstr("jk,kl->jl\n"));
}

}  // namespace
}  // namespace tarn
