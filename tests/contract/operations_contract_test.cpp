// The contract, operation by operation: what only the data can tell (a singular matrix, an index
// out of bounds) fails the node, and nothing else.
#include <gtest/gtest.h>

#include <limits>

#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

struct Case {
  const char* op;  // as the record names it
  FailureKind kind;
  // Of data that has no result, if `is_bad`, or of data of the same shapes that has one.
  array (*build)(bool is_bad, Stream s);
};

// Evaluated, so that no step but that of the operation is part of the evaluation.
array given(array values) {
  eval(values);
  return values;
}

array floats(std::initializer_list<float> values, Shape shape) {
  return given(array(values, std::move(shape)));
}

array matrix(bool is_singular) { return floats({1, 2, 2, is_singular ? 4.0f : 1.0f}, {2, 2}); }
// The second of a batch of three.
array batch(bool is_singular) {
  return floats({1, 0, 0, 1, 1, 2, 2, is_singular ? 4.0f : 1.0f, 2, 0, 0, 2}, {3, 2, 2});
}
array triangle(bool is_singular) { return floats({1, 0, 2, is_singular ? 0.0f : 1.0f}, {2, 2}); }
array unbounded(bool is_infinite) {
  return floats({1, 2, 2, is_infinite ? std::numeric_limits<float>::infinity() : 1.0f}, {2, 2});
}
array definite(bool is_indefinite) {
  return floats({is_indefinite ? -1.0f : 2.0f, 1, 1, 2}, {2, 2});
}
array numbers() { return floats({1, 2, 3, 4, 5, 6}, {3, 2}); }
array pair() { return floats({1, 2}, {2, 1}); }
array index(bool is_bad) { return given(array({0, is_bad ? 3 : 2})); }
array start(bool is_bad) { return given(array({is_bad ? 3 : 2})); }

template <array (*kScatter)(const array&, const array&, const array&, int, StreamOrDevice)>
array scattered(bool is_bad, Stream s) {
  return kScatter(numbers(), index(is_bad), floats({7, 8, 9, 10}, {2, 1, 2}), 0, s);
}

const Case kCases[] = {
    {"inv", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::inv(matrix(is_bad), s); }},
    {"inv", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::inv(batch(is_bad), s); }},
    {"tri_inv", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::tri_inv(triangle(is_bad), false, s); }},
    {"cholesky", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::cholesky(definite(is_bad), false, s); }},
    {"solve", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::solve(matrix(is_bad), pair(), s); }},
    {"solve_triangular", FailureKind::numerical,
     [](bool is_bad, Stream s) {
       return linalg::solve_triangular(triangle(is_bad), pair(), false, s);
     }},
    {"qr", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::qr(unbounded(is_bad), s).second; }},
    {"lu", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::lu(unbounded(is_bad), s)[2]; }},
    {"lu_factor", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::lu_factor(unbounded(is_bad), s).first; }},
    {"det", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::det(unbounded(is_bad), s); }},
    {"slogdet", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::slogdet(unbounded(is_bad), s).second; }},
    {"svd", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::svd(unbounded(is_bad), s)[1]; }},
    {"svd", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::svd(unbounded(is_bad), false, s)[0]; }},
    {"eigh", FailureKind::numerical,
     [](bool is_bad, Stream s) { return linalg::eigh(unbounded(is_bad), "L", s).first; }},
    {"eig", FailureKind::numerical,
     [](bool is_bad, Stream s) { return abs(linalg::eigvals(unbounded(is_bad), s), s); }},
    {"take", FailureKind::index,
     [](bool is_bad, Stream s) { return take(numbers(), index(is_bad), 0, s); }},
    {"take_along_axis", FailureKind::index,
     [](bool is_bad, Stream s) {
       return take_along_axis(numbers(), reshape(index(is_bad), {1, 2}), 0, s);
     }},
    {"gather", FailureKind::index,
     [](bool is_bad, Stream s) {
       return gather(numbers(), index(is_bad), 0, {1, 2}, s);
     }},
    {"slice", FailureKind::index,
     [](bool is_bad, Stream s) {
       return slice(numbers(), start(is_bad), {0}, {1, 2}, s);
     }},
    {"slice_update", FailureKind::index,
     [](bool is_bad, Stream s) {
       return slice_update(numbers(), floats({7, 8}, {1, 2}), start(is_bad), {0}, s);
     }},
    {"scatter", FailureKind::index, scattered<scatter>},
    {"scatter_add", FailureKind::index, scattered<scatter_add>},
    {"scatter_prod", FailureKind::index, scattered<scatter_prod>},
    {"scatter_max", FailureKind::index, scattered<scatter_max>},
    {"scatter_min", FailureKind::index, scattered<scatter_min>},
    {"put_along_axis", FailureKind::index,
     [](bool is_bad, Stream s) {
       return put_along_axis(numbers(), reshape(index(is_bad), {1, 2}), array(7.0f), 0, s);
     }},
    {"scatter_add_axis", FailureKind::index,
     [](bool is_bad, Stream s) {
       return scatter_add_axis(numbers(), reshape(index(is_bad), {1, 2}), array(7.0f), 0, s);
     }},
    {"masked_scatter", FailureKind::index,
     [](bool is_bad, Stream s) {
       const array mask = given(array({true, is_bad, true}));
       return masked_scatter(numbers(), mask, floats({1, 2, 3, 4}, {2, 2}), s);
     }},
    {"gather_mm", FailureKind::index,
     [](bool is_bad, Stream s) {
       return gather_mm(batch(false), batch(false), index(is_bad), index(false), false, s);
     }},
    {"gather_qmm", FailureKind::index,
     [](bool is_bad, Stream s) {
       const std::vector<array> w = quantize(full({3, 2, 32}, 1.5f, s), 32, 8, "affine", {}, s);
       return gather_qmm(full({3, 2, 32}, 2.0f, s), w[0], w[1], w[2], index(is_bad), index(false),
                         true, 32, 8, "affine", false, s);
     }},
    {"segmented_mm", FailureKind::index,
     [](bool is_bad, Stream s) {
       const array segments = given(array({0, is_bad ? 3 : 2}, {1, 2}));
       return segmented_mm(matrix(false), matrix(false), segments, s);
     }},
};

class Operations : public testing::TestWithParam<Case> {};

bool is_of_kind(const EvalError& error, FailureKind kind) {
  return kind == FailureKind::numerical ? dynamic_cast<const NumericalError*>(&error) != nullptr
                                        : dynamic_cast<const IndexError*>(&error) != nullptr;
}

void expect_failed(const array& a, const Case& c) {
  for (int time = 0; time < 2; ++time) {
    try {
      array(a).wait();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const EvalError& error) {
      EXPECT_TRUE(is_of_kind(error, c.kind)) << error.what();
      EXPECT_EQ(error.failure()->op, c.op);
      EXPECT_FALSE(error.failure()->message.empty());
      EXPECT_FALSE(error.failure()->inputs.empty());
    }
  }
  EXPECT_EQ(a.status(), array::Status::failed);
  EXPECT_THROW(a.data<float>(), EvalError);
}

std::vector<float> values_of(const array& a) {
  const float* const data = a.data<float>();
  return {data, data + a.size()};
}

TEST_P(Operations, contract_p05_p07_bad_data_fails_its_node_and_nothing_else) {
  const Case& c = GetParam();
  const Stream s = cpu_stream();
  array alone = c.build(false, s);
  eval(alone);
  const std::vector<float> expected = values_of(alone);

  array bad = c.build(true, s);
  array dependent = add(sum(bad, s), array(1.0f), s);
  array healthy = c.build(false, s);
  array neighbour = add(numbers(), array(1.0f), s);
  ASSERT_NO_THROW(async_eval(bad, dependent, healthy, neighbour));
  expect_failed(bad, c);
  expect_failed(dependent, c);
  EXPECT_EQ(dependent.failure(), bad.failure());
  healthy.wait();
  EXPECT_EQ(values_of(healthy), expected);
  neighbour.wait();
  EXPECT_EQ(values_of(neighbour), (std::vector<float>{2, 3, 4, 5, 6, 7}));
}

TEST_P(Operations, contract_p25_p26_only_a_retry_runs_it_again_and_finds_its_inputs) {
  const Case& c = GetParam();
  const Stream s = cpu_stream();
  array bad = c.build(true, s);
  EXPECT_THROW(eval(bad), EvalError);
  const FailurePtr first = bad.failure();
  EXPECT_THROW(eval(bad), EvalError);
  EXPECT_EQ(bad.failure(), first);
  EXPECT_THROW(retry({bad}), EvalError);
  EXPECT_NE(bad.failure(), first);
  EXPECT_EQ(bad.failure()->message, first->message);
}

INSTANTIATE_TEST_SUITE_P(Contract, Operations, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::to_string(info.index) + "_" + info.param.op;
                         });

}  // namespace
}  // namespace tarn::contract
