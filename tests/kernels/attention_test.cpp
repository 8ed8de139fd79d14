// Attention against its definition, computed in double.
#include "tarn/kernels/cpu/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tarn/ops/functions.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

enum class Masking { none, causal, seen, added };

struct Case {
  int batch, heads, kv_heads, queries, keys, key_dim, value_dim;
  Masking masking = Masking::none;
  bool has_sinks = false;
  float scale = 0.5f;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.batch << "×" << c.heads << "/" << c.kv_heads << "×" << c.queries << "/" << c.keys
             << "×" << c.key_dim << "/" << c.value_dim << " masking " << int(c.masking) << " sinks "
             << c.has_sinks;
}

// What one call takes. Queries, keys and values are sixty-fourths below one, which every dtype has.
template <class T>
struct Operands {
  TestArray q, k, v, mask, sinks, to;

  template <class Make>
  Operands(const Case& c, std::mt19937& random, Make make)
      : q(make(dtype_of<T>, Shape{c.batch, c.heads, c.queries, c.key_dim})),
        k(make(dtype_of<T>, Shape{c.batch, c.kv_heads, c.keys, c.key_dim})),
        v(make(dtype_of<T>, Shape{c.batch, c.kv_heads, c.keys, c.value_dim})),
        mask(make(c.masking == Masking::seen ? bool_ : dtype_of<T>, mask_shape(c, random))),
        sinks(make(dtype_of<T>, Shape{c.heads})),
        to(dtype_of<T>, {c.batch, c.heads, c.queries, c.value_dim}) {
    for (TestArray* a : {&q, &k, &v, &sinks}) {
      a->template for_each<T>([&](T& x, int64_t) { x = T(float(pick(random, -64, 64)) / 64); });
    }
    if (c.masking == Masking::seen) {
      mask.for_each<bool>([&](bool& x, int64_t) { x = random() % 3 != 0; });
    } else {
      mask.for_each<T>([&](T& x, int64_t) {
        x = T(random() % 4 == 0 ? -INFINITY : float(pick(random, -64, 64)) / 16);
      });
    }
    mask.broadcast_to({c.batch, c.heads, c.queries, c.keys});
  }

  static Shape mask_shape(const Case& c, std::mt19937& random) {
    Shape shape{c.batch, c.heads, c.queries, c.keys};
    for (auto& dim : shape) dim = random() % 3 == 0 ? 1 : dim;
    return shape;
  }

  void run(const Case& c, const cpu::AttentionKernels& kernels = cpu::attention_kernels()) {
    const ops::Attention op{c.scale, c.masking == Masking::causal,
                            c.masking == Masking::seen || c.masking == Masking::added, c.has_sinks};
    std::vector<View> in{q.view(), k.view(), v.view()};
    if (op.has_mask) in.push_back(mask.view());
    if (op.has_sinks) in.push_back(sinks.view());
    to.template for_each<T>([](T& x, int64_t) { x = T(float(NAN)); });
    struct alignas(64) Line {
      std::byte bytes[64];
    };
    std::vector<Line> scratch(size_t(cpu::attention_scratch_bytes(in, to.view(), kernels)) / 64 +
                              1);
    cpu::attention(op, in, to.view(), scratch.data(), kernels);
  }
};

template <class T>
struct Tolerance {
  static constexpr double kSums = sizeof(T) == 8 ? 0x1p-46 : 0x1p-18;
  // Subnormal numbers of float16 have no relative accuracy; of weights, only tiny ones are lost.
  static constexpr double kAbsolute = std::is_same_v<T, float16_t> ? 0x1p-24 : 1e-30;
  // Of weights, where they are multiplied as bfloat16, and of the result.
  static constexpr double kWeights = std::is_same_v<T, bfloat16_t> ? 0x1p-8 : 0;
  static constexpr double kStored = std::is_same_v<T, float16_t>    ? 0x1p-11
                                    : std::is_same_v<T, bfloat16_t> ? 0x1p-8
                                                                    : 0;
};

// Scores of one query, masked.
template <class T>
std::vector<double> scores_of(const Case& c, Operands<T>& o, const std::vector<T>& q,
                              const std::vector<T>& k, int64_t head, int64_t query) {
  const int64_t kv_head =
      head / c.heads * c.kv_heads + head % c.heads / (c.heads / c.kv_heads);  // of all batches
  std::vector<double> scores(size_t(c.keys));
  for (int64_t j = 0; j < c.keys; ++j) {
    double sum = 0;
    for (int64_t d = 0; d < c.key_dim; ++d) {
      sum += double(q[(head * c.queries + query) * c.key_dim + d]) *
             double(k[(kv_head * c.keys + j) * c.key_dim + d]);
    }
    scores[j] = sum * c.scale;
    if (c.masking == Masking::causal && j > query + c.keys - c.queries) scores[j] = -INFINITY;
  }
  const View mask = o.mask.view();
  const int64_t first =
      head / c.heads * mask.strides[0] + head % c.heads * mask.strides[1] + query * mask.strides[2];
  for (int64_t j = 0; j < c.keys; ++j) {
    const int64_t at = first + j * mask.strides[3];
    if (c.masking == Masking::seen && !mask.as<bool>()[at]) scores[j] = -INFINITY;
    if (c.masking == Masking::added) scores[j] += double(mask.as<T>()[at]);
  }
  return scores;
}

template <class T>
void expect_defined_values(const Case& c, Operands<T>& o) {
  const auto q = o.q.template elements<T>(), k = o.k.template elements<T>();
  const auto v = o.v.template elements<T>(), sinks = o.sinks.template elements<T>();
  const auto got = o.to.template elements<T>();
  for (int64_t row = 0; row < int64_t(c.batch) * c.heads * c.queries; ++row) {
    const int64_t head = row / c.queries;
    const int64_t kv_head = head / c.heads * c.kv_heads + head % c.heads / (c.heads / c.kv_heads);
    std::vector<double> weights = scores_of(c, o, q, k, head, row % c.queries);
    double max = c.has_sinks ? double(sinks[head % c.heads]) : -INFINITY;
    for (double score : weights) max = score > max || std::isnan(score) ? score : max;
    double sum = c.has_sinks ? std::exp(double(sinks[head % c.heads]) - max) : 0;
    for (double& w : weights) sum += w = std::exp(w - max);
    for (int64_t d = 0; d < c.value_dim; ++d) {
      double exact = 0, magnitude = 0;
      for (int64_t j = 0; j < c.keys; ++j) {
        const double product =
            weights[j] / sum * double(v[(kv_head * c.keys + j) * c.value_dim + d]);
        exact += product;
        magnitude += std::fabs(product);
      }
      const double value = double(got[row * c.value_dim + d]);
      const double bound = magnitude * (Tolerance<T>::kSums + Tolerance<T>::kWeights) +
                           std::fabs(exact) * Tolerance<T>::kStored + Tolerance<T>::kAbsolute;
      ASSERT_TRUE(std::isnan(exact) ? std::isnan(value) : std::fabs(value - exact) <= bound)
          << c << " row " << row << " element " << d << " is " << value << ", not " << exact;
    }
  }
}

// By the kernels of all instruction sets.
template <class T, class Make>
void check_attention(const Case& c, std::mt19937& random, Make make) {
  Operands<T> operands(c, random, make);
  for (const cpu::AttentionKernels& kernels : cpu::runnable_attention_kernels()) {
    operands.run(c, kernels);
    ASSERT_NO_FATAL_FAILURE(expect_defined_values(c, operands));
  }
}
template <class T>
void check_attention(const Case& c, std::mt19937& random) {
  check_attention<T>(c, random,
                     [](Dtype dtype, const Shape& shape) { return TestArray(dtype, shape); });
}

constexpr Masking kMaskings[] = {Masking::none, Masking::causal, Masking::seen, Masking::added};

template <class T>
class Attention : public testing::Test {};
using Elements = testing::Types<float, double, float16_t, bfloat16_t>;
TYPED_TEST_SUITE(Attention, Elements);

// Every way to lay out the operands, also those that have to be copied.
TYPED_TEST(Attention, small_random) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    const int kv_heads = pick(random, 1, 3);
    const Case c{pick(random, 1, 3),
                 kv_heads * pick(random, 1, 4),
                 kv_heads,
                 pick(random, 1, 20),
                 pick(random, 1, 40),
                 pick(random, 1, 20),
                 pick(random, 1, 20),
                 kMaskings[i % 4],
                 random() % 2 == 0};
    ASSERT_NO_FATAL_FAILURE(check_attention<TypeParam>(c, random, [&](Dtype dtype, Shape shape) {
      return TestArray::random_layout(dtype, shape, random);
    }));
  }
}

// Blocks of keys, panels of queries and their remainders, heads of all sizes.
TYPED_TEST(Attention, every_remainder) {
  std::mt19937 random(2);
  const Case cases[] = {
      {1, 1, 1, 70, 129, 64, 64},  {1, 2, 1, 100, 200, 33, 65}, {1, 1, 1, 193, 257, 8, 16},
      {2, 3, 3, 17, 127, 80, 40},  {1, 6, 2, 16, 255, 7, 9},    {1, 1, 1, 49, 131, 300, 299},
      {1, 1, 1, 31, 128, 128, 1},  {1, 1, 1, 33, 300, 1, 128},  {70, 2, 1, 25, 35, 16, 24},
      {1, 5, 1, 1, 129, 100, 130}, {1, 1, 1, 300, 31, 5, 3},    {40, 4, 2, 100, 20, 4, 4},
      {1, 1, 1, 5, 7, 1, 1},       {1, 8, 1, 2, 384, 48, 24}};
  for (Case c : cases) {
    for (Masking masking : kMaskings) {
      c.masking = masking;
      c.has_sinks = !c.has_sinks;
      ASSERT_NO_FATAL_FAILURE(check_attention<TypeParam>(c, random));
    }
  }
}

// Few rows: one by one, and keys in several parts.
TYPED_TEST(Attention, many_keys) {
  std::mt19937 random(3);
  const Case cases[] = {{1, 2, 2, 1, 5000, 16, 24}, {1, 8, 2, 1, 2100, 64, 64},
                        {2, 3, 1, 1, 1100, 33, 31}, {1, 1, 1, 4, 3001, 8, 8},
                        {1, 8, 1, 1, 4000, 20, 12}, {1, 1, 1, 60, 2000, 8, 12},
                        {1, 2, 1, 3, 40'000, 2, 2}};
  for (Case c : cases) {
    for (Masking masking : kMaskings) {
      c.masking = masking;
      c.has_sinks = !c.has_sinks;
      ASSERT_NO_FATAL_FAILURE(check_attention<TypeParam>(c, random));
    }
  }
}

// Scores that rise from key to key, by more than the range of exp: what was summed up before
// vanishes.
TYPED_TEST(Attention, rising_scores) {
  std::mt19937 random(4);
  for (int queries : {1, 20, 100}) {
    for (float sign : {1.0f, -1.0f}) {
      const Case c{1, 1, 1, queries, 1200, 1, 3, Masking::none, false, sign * 30};
      Operands<TypeParam> operands(
          c, random, [](Dtype dtype, const Shape& shape) { return TestArray(dtype, shape); });
      operands.q.template for_each<TypeParam>(
          [](TypeParam& x, int64_t i) { x = TypeParam(float(1 + i % 3)); });
      operands.k.template for_each<TypeParam>(
          [](TypeParam& x, int64_t i) { x = TypeParam(float(i / 8)); });
      operands.run(c);
      ASSERT_NO_FATAL_FAILURE(expect_defined_values(c, operands));
    }
  }
}

// NaN reaches the rows that see it, and no other.
TYPED_TEST(Attention, nan_goes_where_it_is_seen) {
  using T = TypeParam;
  std::mt19937 random(5);
  for (int queries : {2, 40}) {
    for (Masking masking : {Masking::causal, Masking::seen}) {
      const Case c{1, 2, 1, queries, 40, 9, 10, masking};
      Operands<T> operands(c, random,
                           [](Dtype dtype, const Shape& shape) { return TestArray(dtype, shape); });
      const auto spoil = [](TestArray& a, int64_t position) {
        a.for_each<T>([&](T& x, int64_t i) { x = i == position ? T(float(NAN)) : x; });
      };
      spoil(operands.k, 39 * c.key_dim + 1);
      spoil(operands.q, c.key_dim);
      operands.run(c);
      ASSERT_NO_FATAL_FAILURE(expect_defined_values(c, operands));
      const auto got = operands.to.template elements<T>();
      EXPECT_FALSE(masking == Masking::causal && std::isnan(double(got[0])));
      EXPECT_TRUE(std::isnan(double(got[c.value_dim])));
    }
  }
}

TYPED_TEST(Attention, infinite_scores_are_no_numbers) {
  using T = TypeParam;
  std::mt19937 random(6);
  for (int queries : {2, 30}) {
    const Case c{1, 1, 1, queries, 40, 2, 3};
    Operands<T> operands(c, random,
                         [](Dtype dtype, const Shape& shape) { return TestArray(dtype, shape); });
    operands.q.template for_each<T>([](T& x, int64_t) { x = T(1.0f); });
    operands.k.template for_each<T>([](T& x, int64_t i) {
      if (i == 6) x = T(float(INFINITY));
    });
    operands.run(c);
    for (T x : operands.to.template elements<T>()) EXPECT_TRUE(std::isnan(double(x)));
  }
}

array random_array(Shape shape, Dtype dtype, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<float> values(size_t(size_of_shape(shape)));
  for (float& x : values) x = float(pick(random, -64, 64)) / 64;
  return astype(array(values.begin(), std::move(shape)), dtype);
}

using fast::scaled_dot_product_attention;

TEST(AttentionFunction, nothing_seen) {
  for (int queries : {1, 50}) {
    const array q = random_array({1, 2, queries, 8}, float32, 1);
    const array k = random_array({1, 2, 70, 8}, float32, 2);
    for (const array& mask : {array(false), array(-INFINITY)}) {
      for (float x : values_of<float>(scaled_dot_product_attention(q, k, k, 1, "array", mask))) {
        ASSERT_TRUE(std::isnan(x));
      }
      const array sinks = array({0.0f, -3.0f});
      for (float x :
           values_of<float>(scaled_dot_product_attention(q, k, k, 1, "array", mask, sinks))) {
        ASSERT_EQ(x, 0);
      }
    }
  }
}

TEST(AttentionFunction, more_queries_than_keys_under_causal_mask) {
  const array q = random_array({1, 1, 5, 4}, float32, 1);
  const array k = random_array({1, 1, 3, 4}, float32, 2);
  const auto got = values_of<float>(scaled_dot_product_attention(q, k, k, 1, "causal"));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(got[i]), i < 8) << i;
  const auto keys = values_of<float>(k);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(got[8 + i], keys[i]);
}

TEST(AttentionFunction, empty_arrays) {
  const auto run = [](Shape q, Shape k, Shape v) {
    return scaled_dot_product_attention(zeros(q), zeros(k), zeros(v), 1);
  };
  EXPECT_EQ(values_of(run({1, 2, 3, 4}, {1, 2, 0, 4}, {1, 2, 0, 5})), std::vector<double>(30, 0));
  EXPECT_EQ(run({0, 2, 3, 4}, {0, 1, 6, 4}, {0, 1, 6, 5}).shape(), (Shape{0, 2, 3, 5}));
  EXPECT_TRUE(values_of(run({0, 2, 3, 4}, {0, 1, 6, 4}, {0, 1, 6, 5})).empty());
  EXPECT_TRUE(values_of(run({1, 2, 0, 4}, {1, 1, 6, 4}, {1, 1, 6, 5})).empty());
  EXPECT_TRUE(values_of(run({1, 2, 3, 4}, {1, 1, 6, 4}, {1, 1, 6, 0})).empty());
  EXPECT_TRUE(values_of(run({1, 0, 3, 4}, {1, 0, 6, 4}, {1, 0, 6, 5})).empty());
  // Without elements of keys all scores are equal.
  const array v = random_array({1, 1, 6, 1}, float32, 1);
  for (int queries : {2, 20}) {
    const array got =
        scaled_dot_product_attention(zeros({1, 1, queries, 0}), zeros({1, 1, 6, 0}), v, 1);
    for (double x : values_of(got)) EXPECT_NEAR(x, values_of(mean(v))[0], 1e-6);
  }
}

// As a model has them: (batch, length, heads, dim) seen as (batch, heads, length, dim).
TEST(AttentionFunction, transposed_views_give_the_same_bits) {
  for (Dtype dtype : {float32, bfloat16, float16, float64}) {
    for (int length : {1, 150}) {
      const array q = random_array({2, length, 6, 16}, dtype, 1);
      const array k = random_array({2, 150, 2, 16}, dtype, 2);
      const array v = random_array({2, 150, 2, 16}, dtype, 3);
      const auto swapped = [](const array& a) { return transpose(a, {0, 2, 1, 3}); };
      const array views =
          scaled_dot_product_attention(swapped(q), swapped(k), swapped(v), 0.25f, "causal");
      const array copies = scaled_dot_product_attention(
          contiguous(swapped(q)), contiguous(swapped(k)), contiguous(swapped(v)), 0.25f, "causal");
      EXPECT_TRUE(array_equal(views, copies).item<bool>()) << dtype_name(dtype);
    }
  }
}

TEST(AttentionFunction, masks_of_lower_rank_and_other_dtypes) {
  const array q = random_array({2, 2, 5, 8}, float32, 1);
  const array k = random_array({2, 2, 7, 8}, float32, 2);
  const array row = array({0.0f, 1.0f, -2.0f, 0.5f, 0.0f, 3.0f, 0.25f});
  const array full = broadcast_to(row, {2, 2, 5, 7});
  const array expected = scaled_dot_product_attention(q, k, k, 1, "array", full);
  EXPECT_TRUE(
      array_equal(scaled_dot_product_attention(q, k, k, 1, "", row), expected).item<bool>());
  EXPECT_TRUE(
      array_equal(scaled_dot_product_attention(q, k, k, 1, "", astype(row, float16)), expected)
          .item<bool>());
  // The triangle as a mask is what "causal" says.
  const array triangle = tri(5, 7, 2, bool_);
  EXPECT_TRUE(array_equal(scaled_dot_product_attention(q, k, k, 1, "array", triangle),
                          scaled_dot_product_attention(q, k, k, 1, "causal"))
                  .item<bool>());
}

TEST(AttentionFunction, dtypes_promote) {
  const auto dtype_of_result = [](Dtype q, Dtype k, Dtype v) {
    const Shape shape{1, 1, 2, 2};
    return scaled_dot_product_attention(zeros(shape, q), zeros(shape, k), zeros(shape, v), 1)
        .dtype();
  };
  EXPECT_EQ(dtype_of_result(float16, float16, float16), float16);
  EXPECT_EQ(dtype_of_result(float16, bfloat16, float16), float32);
  EXPECT_EQ(dtype_of_result(bfloat16, int32, bfloat16), bfloat16);
  EXPECT_EQ(dtype_of_result(float32, float32, float64), float64);
  EXPECT_THROW(dtype_of_result(int32, int32, int32), std::invalid_argument);
  EXPECT_THROW(dtype_of_result(complex64, float32, float32), std::invalid_argument);
}

TEST(AttentionFunction, refuses) {
  const array q = zeros({2, 4, 5, 8}), k = zeros({2, 2, 7, 8}), v = zeros({2, 2, 7, 6});
  using Optional = std::optional<array>;
  const auto run = [](const array& q, const array& k, const array& v, const char* mode = "",
                      Optional mask = {}, Optional sinks = {}, bool force_fused = false) {
    return scaled_dot_product_attention(q, k, v, 1, mode, mask, sinks, force_fused);
  };
  const auto expect_refusal = [&](const char* says, auto... arguments) {
    try {
      run(arguments...);
      ADD_FAILURE() << "nothing thrown, should say " << says;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  };
  EXPECT_NO_THROW(run(q, k, v, "array", zeros({4, 1, 7}), zeros({4})));
  expect_refusal("rank 4", zeros({4, 5, 8}), k, v);
  expect_refusal("rank 4", q, k, zeros({7, 6}));
  expect_refusal("batches", zeros({1, 4, 5, 8}), k, v);
  expect_refusal("last dimensions", zeros({2, 4, 5, 9}), k, v);
  expect_refusal("heads or lengths", q, k, zeros({2, 4, 7, 6}));
  expect_refusal("heads or lengths", q, k, zeros({2, 2, 8, 6}));
  expect_refusal("no multiple", zeros({2, 3, 5, 8}), k, v);
  expect_refusal("no multiple", q, zeros({2, 0, 7, 8}), zeros({2, 0, 7, 6}));
  expect_refusal("mask modes", q, k, v, "Causal");
  expect_refusal("no mask", q, k, v, "causal", zeros({5, 7}));
  expect_refusal("wants a mask", q, k, v, "array");
  expect_refusal("at most rank 4", q, k, v, "array", zeros({1, 1, 1, 5, 7}));
  expect_refusal("does not broadcast", q, k, v, "array", zeros({3, 1, 1, 7}));
  expect_refusal("does not broadcast", q, k, v, "array", zeros({5, 6}));
  expect_refusal("promote", q, k, v, "array", zeros({5, 7}, float64));
  expect_refusal("promote", astype(q, float16), astype(k, float16), astype(v, float16), "array",
                 zeros({5, 7}));
  expect_refusal("sink", q, k, v, "", Optional(), zeros({2}));
  expect_refusal("sink", q, k, v, "", Optional(), zeros({1, 4}));
  expect_refusal("promote", q, k, v, "", Optional(), zeros({4}, complex64));
  expect_refusal("require a GPU", q, k, v, "", Optional(), Optional(), true);
}

}  // namespace
}  // namespace tarn
