// Random bits against a plain model of their layout and published values; distributions against
// their definitions, computed in double from the same bits, and against their moments.
#include "tarn/kernels/cpu/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

#include "tarn/graph/eval.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/random_kernels.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/random.h"
#include "tarn/ops/functions/reduce.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using Words = std::vector<uint32_t>;

math::ThreefryBlock<uint32_t> encrypted(const math::ThreefryKey& key, uint32_t x, uint32_t y) {
  math::ThreefryBlock<uint32_t> block{x, y};
  block.encrypt(key);
  return block;
}

// The bytes that one key draws, as Note [Random bits] has them.
std::vector<uint8_t> drawn_bytes(const math::ThreefryKey& key, size_t nbytes) {
  const size_t n_words = (nbytes + 3) / 4, half = n_words / 2, distance = n_words - half;
  Words words(n_words);
  for (size_t i = 0; i < half; ++i) {
    const auto block = encrypted(key, uint32_t(i), uint32_t(i + distance));
    words[i] = block.x;
    words[i + distance] = block.y;
  }
  if (n_words % 2 != 0) words[half] = encrypted(key, uint32_t(half), 0).x;
  std::vector<uint8_t> bytes(nbytes);
  if (nbytes > 0) std::memcpy(bytes.data(), words.data(), nbytes);
  return bytes;
}

template <class T>
std::vector<T> values(array a) {
  EXPECT_EQ(a.dtype(), dtype_of<T>);
  array dense = contiguous(a);
  dense.eval();
  return std::vector<T>(dense.data<T>(), dense.data<T>() + dense.size());
}

Words numbers(const array& a) { return values<uint32_t>(astype(a, uint32)); }

std::vector<double> doubles(const array& a) { return values<double>(astype(a, float64)); }

struct Moments {
  double mean, variance;
};
Moments moments_of(const std::vector<double>& x) {
  double sum = 0, squares = 0;
  for (double value : x) sum += value;
  const double mean = sum / double(x.size());
  for (double value : x) squares += (value - mean) * (value - mean);
  return {mean, squares / double(x.size())};
}

// The vectors that come with the paper's implementation, Random123.
TEST(Threefry, known_answers) {
  const struct {
    uint32_t counter[2], key[2], words[2];
  } vectors[] = {
      {{0, 0}, {0, 0}, {0x6b200159, 0x99ba4efe}},
      {{~0u, ~0u}, {~0u, ~0u}, {0x1cb996fc, 0xbb002be7}},
      {{0x243f6a88, 0x85a308d3}, {0x13198a2e, 0x03707344}, {0xc4923a9c, 0x483df7a0}},
  };
  for (const auto& [counter, key, words] : vectors) {
    const auto block = encrypted({{key[0], key[1]}}, counter[0], counter[1]);
    EXPECT_EQ(block.x, words[0]);
    EXPECT_EQ(block.y, words[1]);
  }
}

TEST(Threefry, packs_of_every_instruction_set) {
  const math::ThreefryKey key{{0x12345678, 0x9abcdef0}};
  const uint32_t first = 0xfffffff5, distance = 0x80000003;
  for (const cpu::KernelTable* table : cpu::runnable_kernels()) {
    for (size_t n : {0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128}) {
      // Unaligned, with bytes around that must stay.
      std::vector<uint8_t> x(4 * n + 6, 0xaa), y(4 * n + 6, 0xaa);
      cpu::random_kernels(table->isa)
          .draw_words(key, first, distance, nullptr, x.data() + 1, y.data() + 1, n);
      for (size_t i = 0; i < n; ++i) {
        const uint32_t counter = first + uint32_t(i);
        const auto block = encrypted(key, counter, counter + distance);
        EXPECT_EQ(std::memcmp(&block.x, &x[1 + 4 * i], 4), 0) << table->isa << " " << i;
        EXPECT_EQ(std::memcmp(&block.y, &y[1 + 4 * i], 4), 0) << table->isa << " " << i;
      }
      for (const auto& bytes : {x, y}) {
        EXPECT_EQ(bytes[0], 0xaa);
        for (size_t i = 1 + 4 * n; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], 0xaa);
      }
    }
  }
}

TEST(RandomBits, documented_values) {
  const array zero = random::key(0), one = random::key(1);
  EXPECT_EQ(numbers(random::bits({}, zero)), (Words{1797259609}));
  EXPECT_EQ(numbers(random::bits({}, 2, zero)), (Words{345}));
  EXPECT_EQ(numbers(random::bits({}, 1, zero)), (Words{89}));
  EXPECT_EQ(numbers(random::bits({}, one)), (Words{507451445}));
  EXPECT_EQ(numbers(random::bits({}, 2, one)), (Words{6197}));
  EXPECT_EQ(numbers(random::bits({}, 1, one)), (Words{53}));
  EXPECT_EQ(numbers(random::bits({3, 1}, zero)), (Words{4146024105, 1351547692, 2718843009}));
  EXPECT_EQ(numbers(random::bits({5}, 2, zero)), (Words{20137, 63263, 64300, 20622, 16513}));
  EXPECT_EQ(numbers(random::bits({6}, 2, zero)), (Words{20137, 63263, 64300, 20622, 16513, 41486}));
  EXPECT_EQ(numbers(random::bits({7}, 2, zero)),
            (Words{20137, 63263, 1497, 14756, 16513, 41486, 44591}));
  EXPECT_EQ(numbers(random::bits({8}, 2, zero)),
            (Words{20137, 63263, 1497, 14756, 16513, 41486, 44591, 19423}));
  const auto [first, second] = random::split(zero);
  EXPECT_EQ(numbers(first), (Words{4146024105, 967050713}));
  EXPECT_EQ(numbers(second), (Words{2718843009, 1272950319}));
  EXPECT_EQ(numbers(random::split(zero, 3)),
            (Words{2467461003, 428148500, 3186719485, 3840466878, 2562233961, 1946702221}));
  EXPECT_EQ(numbers(random::key((uint64_t{7} << 32) + 9)), (Words{7, 9}));
}

TEST(RandomBits, every_length_and_width) {
  std::vector<int> lengths{5000, 70'001, 200'003};
  for (int n = 0; n < 80; ++n) lengths.push_back(n);
  for (int n : lengths) {
    for (int width : {1, 2, 4}) {
      array drawn = random::bits({n}, width, random::key(uint64_t(n) * 0x100000003u));
      drawn.eval();
      EXPECT_EQ(drawn.itemsize(), size_t(width));
      const uint64_t seed = uint64_t(n) * 0x100000003u;
      const auto expected =
          drawn_bytes({{uint32_t(seed >> 32), uint32_t(seed)}}, size_t(n) * size_t(width));
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), drawn.data<uint8_t>()))
          << n << " of " << width;
    }
  }
}

// Each key of a batch draws for itself, wherever its words lie.
TEST(RandomBits, batches_of_keys) {
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    Shape keys_shape = random_shape(random, 2, i % 10 == 0 ? 60 : 5);
    const Shape rest = random_shape(random, 2, i % 7 == 0 ? 200 : 4);
    Shape shape = keys_shape;
    shape.insert(shape.end(), rest.begin(), rest.end());
    keys_shape.push_back(2);
    TestArray keys = TestArray::random_layout(uint32, keys_shape, random);
    keys.fill_random_bytes(random);
    TestArray out(i % 3 == 0 ? uint8 : i % 3 == 1 ? uint16 : uint32, shape);
    cpu::random_bits(keys.view(), out.view());
    const Words words = keys.elements<uint32_t>();
    std::vector<uint8_t> expected;
    for (size_t k = 0; k < words.size(); k += 2) {
      const auto bytes = drawn_bytes({{words[k], words[k + 1]}},
                                     size_t(size_of_shape(rest) * out.view().itemsize()));
      expected.insert(expected.end(), bytes.begin(), bytes.end());
    }
    ASSERT_EQ(size_t(out.view().nbytes()), expected.size());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.view().as<uint8_t>()));
  }
}

TEST(RandomBits, mistakes) {
  EXPECT_THROW(random::bits({3}, 3), std::invalid_argument);
  EXPECT_THROW(random::bits({3}, 8), std::invalid_argument);
  EXPECT_THROW(random::bits({3, -1}), std::invalid_argument);
  EXPECT_THROW(random::bits({3}, array({1, 2})), std::invalid_argument);
  EXPECT_THROW(random::bits({3}, zeros({3}, uint32)), std::invalid_argument);
  EXPECT_THROW(random::bits({3}, zeros({2, 2}, uint32)), std::invalid_argument);
  EXPECT_THROW(random::split(zeros({1}, uint32)), std::invalid_argument);
  EXPECT_THROW(random::split(random::key(0), -1), std::invalid_argument);
}

TEST(KeySequence, splits_its_key) {
  random::KeySequence sequence(5);
  array key = random::key(5);
  for (int i = 0; i < 3; ++i) {
    const auto [kept, given] = random::split(key);
    EXPECT_EQ(numbers(sequence.next()), numbers(given));
    key = kept;
  }
  sequence.seed(5);
  EXPECT_EQ(numbers(sequence.next()), numbers(random::split(random::key(5)).second));
}

TEST(KeySequence, each_thread_has_its_own) {
  const auto draw = [] { return numbers(random::bits({4})); };
  Words other, other_seeded;
  random::seed(11);
  const Words first = draw(), second = draw();
  EXPECT_NE(first, second);
  random::seed(11);
  std::thread([&] {
    other = draw();
    random::seed(11);
    other_seeded = draw();
  }).join();
  EXPECT_EQ(draw(), first);
  EXPECT_EQ(other_seeded, first);
  Words another;
  std::thread([&] { another = draw(); }).join();
  EXPECT_NE(other, another);
}

// float(bits) / 2^32, below 1 in the dtype.
template <class T>
std::vector<double> unit_uniform(const Shape& shape, const array& key) {
  std::vector<double> expected;
  const double below_one = 1 - to_double(std::numeric_limits<T>::epsilon()) / 2;
  for (uint32_t bits : numbers(random::bits(shape, key))) {
    expected.push_back(to_double(T(float(std::min(double(float(bits)) * 0x1p-32, below_one)))));
  }
  return expected;
}

TEST(Uniform, is_a_fraction_of_the_bits) {
  const array key = random::key(3);
  const Shape shape{30'000};
  EXPECT_EQ(doubles(random::uniform(shape, float32, key)), unit_uniform<float>(shape, key));
  EXPECT_EQ(doubles(random::uniform(shape, float16, key)), unit_uniform<float16_t>(shape, key));
  EXPECT_EQ(doubles(random::uniform(shape, bfloat16, key)), unit_uniform<bfloat16_t>(shape, key));
  EXPECT_EQ(doubles(random::uniform(shape, key)), unit_uniform<float>(shape, key));
  EXPECT_EQ(doubles(random::uniform(0.0f, 1.0f, shape, float32, key)),
            unit_uniform<float>(shape, key));
}

// Alone, in pairs and without a partner; in packs of every instruction set.
TEST(Uniform, every_length) {
  const array key = random::key(12);
  for (int n = 0; n < 80; ++n) {
    const auto drawn = doubles(random::uniform(-3.0f, 7.0f, {n}, float32, key));
    const auto unit = unit_uniform<float>({n}, key);
    for (int i = 0; i < n; ++i) {
      const float scaled = float(unit[i]) * 10.0f;
      EXPECT_EQ(drawn[i], scaled - 3.0f) << i << " of " << n;
    }
  }
  const cpu::UniformNumbers numbers{0.25f, 0.75f, 10, -3};
  for (const cpu::KernelTable* table : cpu::runnable_kernels()) {
    std::vector<float> x(100), y(100);
    cpu::random_kernels(table->isa).draw_words({{1, 2}}, 0, 9, &numbers, x.data(), y.data(), 100);
    for (uint32_t i = 0; i < 100; ++i) {
      const auto block = encrypted({{1, 2}}, i, i + 9);
      const auto number = [](uint32_t word) {
        const float scaled = std::clamp(float(word) * 0x1p-32f, 0.25f, 0.75f) * 10;
        return scaled - 3;
      };
      EXPECT_EQ(x[i], number(block.x)) << table->isa;
      EXPECT_EQ(y[i], number(block.y)) << table->isa;
    }
  }
}

TEST(Uniform, bounds_broadcast) {
  const array key = random::key(4);
  const array low = array({-1.0f, 10.0f}, {2, 1}), high = array({1.0f, 10.5f, 3.0f});
  const std::vector<double> drawn = doubles(random::uniform(low, high, {2, 3}, float32, key));
  const std::vector<double> unit = unit_uniform<float>({2, 3}, key);
  for (int i = 0; i < 6; ++i) {
    const float from = i < 3 ? -1 : 10, to[] = {1, 10.5f, 3};
    EXPECT_EQ(drawn[i], float(unit[i]) * (to[i % 3] - from) + from);
  }
}

TEST(Uniform, fills_its_interval) {
  constexpr int kSize = 1 << 20;
  const auto drawn = doubles(random::uniform(-2.0f, 4.0f, {kSize}, float32, random::key(5)));
  const auto [mean, variance] = moments_of(drawn);
  EXPECT_NEAR(mean, 1, 5 * std::sqrt(3.0 / kSize));
  EXPECT_NEAR(variance, 3, 0.02);
  EXPECT_GE(*std::min_element(drawn.begin(), drawn.end()), -2);
  EXPECT_LT(*std::max_element(drawn.begin(), drawn.end()), 4);
}

TEST(Uniform, mistakes) {
  EXPECT_THROW(random::uniform({3}, int32), std::invalid_argument);
  EXPECT_THROW(random::uniform({3}, complex64), std::invalid_argument);
  EXPECT_THROW(random::uniform({3}, float64), std::runtime_error);
  EXPECT_THROW(random::uniform({-3}), std::invalid_argument);
  EXPECT_THROW(random::uniform(zeros({2}), ones({2}), {3}), std::invalid_argument);
  EXPECT_THROW(random::uniform(zeros({2, 3}), ones({1}), {3}), std::invalid_argument);
}

TEST(RandInt, is_the_floor_of_a_uniform_number) {
  const array key = random::key(6);
  const auto drawn = values<int32_t>(random::randint(-5, 1000, {5000}, int32, key));
  const auto uniform = doubles(random::uniform(-5.0f, 1000.0f, {5000}, float32, key));
  for (size_t i = 0; i < drawn.size(); ++i) ASSERT_EQ(drawn[i], std::floor(uniform[i]));
}

TEST(RandInt, every_integer_dtype) {
  for (Dtype dtype : kAllDtypes) {
    if (issubdtype(dtype, inexact)) {
      EXPECT_THROW(random::randint(0, 10, {3}, dtype), std::invalid_argument);
      continue;
    }
    const int n = dtype == bool_ ? 2 : 100;
    array drawn = random::randint(0, n, {20'000}, dtype, random::key(7));
    EXPECT_EQ(drawn.dtype(), dtype);
    std::vector<int> counts(size_t(n), 0);
    for (double x : doubles(drawn)) ++counts.at(size_t(x));
    for (int count : counts) EXPECT_NEAR(count, 20'000 / n, 6 * std::sqrt(20'000 / n));
  }
}

TEST(RandInt, bounds) {
  const auto all_are = [](const array& drawn, double value) {
    for (double x : doubles(drawn)) EXPECT_EQ(x, value);
  };
  all_are(random::randint(7, 8, {1000}), 7);
  all_are(random::randint(7, 7, {1000}), 7);
  all_are(random::randint(7, -3, {1000}), 7);
  all_are(random::randint(array(5, uint8), array(0, uint8), {1000}, uint8), 5);
  all_are(random::randint(array(5, int8), array(5, uint8), {1000}, int64), 5);
  constexpr int kMax = std::numeric_limits<int>::max(), kMin = std::numeric_limits<int>::min();
  for (double x : doubles(random::randint(kMax - 5, kMax, {1000}))) {
    EXPECT_TRUE(x >= kMax - 5 && x < kMax) << x;
  }
  const auto [mean, variance] = moments_of(doubles(random::randint(kMin, kMax, {100'000})));
  EXPECT_LT(std::abs(mean), 0.01 * kMax);
  const auto bytes = doubles(random::randint(0, 256, {100'000}, uint8));
  EXPECT_EQ(*std::max_element(bytes.begin(), bytes.end()), 255);
  EXPECT_NEAR(moments_of(bytes).mean, 127.5, 1);
}

TEST(Bernoulli, compares_bits_with_the_probability) {
  const array key = random::key(8);
  for (float p : {0.1f, 0.5f, 0.75f}) {
    const auto drawn = values<bool>(random::bernoulli(p, {10'000}, key));
    const Words bits = numbers(random::bits({10'000}, key));
    for (size_t i = 0; i < bits.size(); ++i) {
      ASSERT_EQ(drawn[i], float(bits[i]) < p * std::nextafter(0x1p32f, 0.0f));
    }
  }
}

TEST(Bernoulli, probabilities) {
  constexpr int kSize = 1 << 20;
  const auto share = [](const array& p, const Shape& shape) {
    return moments_of(doubles(random::bernoulli(p, shape, random::key(9)))).mean;
  };
  EXPECT_EQ(share(array(0.0f), {kSize}), 0);
  EXPECT_EQ(share(array(1.0f), {kSize}), 1);
  EXPECT_EQ(share(array(2.0f), {kSize}), 1);
  EXPECT_EQ(share(array(-1.0f), {kSize}), 0);
  for (Dtype dtype : {float16, bfloat16, float32, float64}) {
    EXPECT_NEAR(share(array(0.25f, dtype), {kSize}), 0.25, 0.003) << dtype;
  }
  const array p = array({0.0f, 1.0f});
  EXPECT_EQ(values<bool>(random::bernoulli(p, {3, 2})),
            (std::vector<bool>{false, true, false, true, false, true}));
  EXPECT_EQ(values<bool>(random::bernoulli(p)), (std::vector<bool>{false, true}));
  EXPECT_EQ(random::bernoulli().shape(), Shape{});
  EXPECT_EQ(random::bernoulli(0.5).shape(), Shape{});
}

// As a float, what this key draws is 2^32.
TEST(Bernoulli, a_probability_of_one_always_holds) {
  const array key = random::key(43287483);
  ASSERT_EQ(numbers(random::bits({}, key)), (Words{0xffffffb6}));
  EXPECT_TRUE(random::bernoulli(1.0f, Shape{}, key).item<bool>());
}

TEST(Bernoulli, mistakes) {
  EXPECT_THROW(random::bernoulli(array(1)), std::invalid_argument);
  EXPECT_THROW(random::bernoulli(zeros({3}), Shape{2}), std::invalid_argument);
  EXPECT_THROW(random::bernoulli(0.5f, Shape{-2}), std::invalid_argument);
}

// Numbers in (-1, 1), of which normal and Laplace ones are made.
std::vector<double> signed_uniform(const Shape& shape, const array& key) {
  return doubles(
      random::uniform(array(std::nextafter(-1.0f, 0.0f)), array(1.0f), shape, float32, key));
}

TEST(Normal, inverts_the_distribution_function) {
  const array key = random::key(13);
  const Shape shape{1 << 18};
  const auto drawn = doubles(random::normal(shape, key)), uniform = signed_uniform(shape, key);
  for (size_t i = 0; i < drawn.size(); ++i) {
    const double x = drawn[i];
    const double density = std::sqrt(2 / M_PI) * std::exp(-x * x / 2);
    ASSERT_LT(std::fabs(std::erf(x / std::sqrt(2.0)) - uniform[i]), 2e-6 * (1 + x * x) * density)
        << x;
  }
  const auto [mean, variance] = moments_of(drawn);
  EXPECT_NEAR(mean, 0, 0.01);
  EXPECT_NEAR(variance, 1, 0.02);
}

TEST(Normal, dtypes_location_and_scale) {
  const array key = random::key(14);
  const auto standard = doubles(random::normal({1000}, key));
  const auto moved = doubles(random::normal({1000}, 3.0f, 0.5f, key));
  for (size_t i = 0; i < 1000; ++i) EXPECT_NEAR(moved[i], 3 + standard[i] / 2, 1e-6);
  for (Dtype dtype : {float16, bfloat16, float32, float64}) {
    array drawn = random::normal({1000}, dtype, key);
    EXPECT_EQ(drawn.dtype(), dtype);
    const auto rounded = doubles(drawn);
    for (size_t i = 0; i < 1000; ++i) EXPECT_NEAR(rounded[i], standard[i], 0.05);
  }
  const array loc = array({1.0f, 2.0f}), scale = array({0.0f, 1.0f});
  EXPECT_EQ(doubles(random::normal({3, 2}, float32, loc, scale, key))[2], 1);
  EXPECT_THROW(random::normal({3}, int32), std::invalid_argument);
  EXPECT_THROW(random::normal({-3}), std::invalid_argument);
}

TEST(Normal, complex_numbers) {
  array drawn = random::normal({1 << 17}, complex64, random::key(15));
  EXPECT_EQ(drawn.dtype(), complex64);
  EXPECT_EQ(drawn.shape(), Shape{1 << 17});
  EXPECT_NEAR(moments_of(doubles(real(drawn))).variance, 0.5, 0.01);
  EXPECT_NEAR(moments_of(doubles(imag(drawn))).variance, 0.5, 0.01);
}

TEST(Normal, several_variables) {
  const array mean = array({1.0f, -2.0f}), cov = array({2.0f, 0.6f, 0.6f, 0.5f}, {2, 2});
  constexpr int kSize = 100'000;
  array drawn = random::multivariate_normal(mean, cov, {kSize}, float32, random::key(16));
  ASSERT_EQ(drawn.shape(), (Shape{kSize, 2}));
  const auto x = doubles(drawn);
  double products = 0;
  std::vector<double> first, second;
  for (size_t i = 0; i < x.size(); i += 2) {
    first.push_back(x[i]);
    second.push_back(x[i + 1]);
    products += (x[i] - 1) * (x[i + 1] + 2) / kSize;
  }
  EXPECT_NEAR(moments_of(first).mean, 1, 0.03);
  EXPECT_NEAR(moments_of(first).variance, 2, 0.05);
  EXPECT_NEAR(moments_of(second).mean, -2, 0.02);
  EXPECT_NEAR(moments_of(second).variance, 0.5, 0.02);
  EXPECT_NEAR(products, 0.6, 0.02);
  EXPECT_EQ(random::multivariate_normal(zeros({4, 1, 2}), zeros({3, 2, 2}), {}, float32).shape(),
            (Shape{4, 3, 2}));
  EXPECT_THROW(random::multivariate_normal(mean, cov, {}, float16), std::invalid_argument);
  EXPECT_THROW(random::multivariate_normal(zeros({3}), cov, {}, float32), std::invalid_argument);
  EXPECT_THROW(random::multivariate_normal(array(1.0f), cov, {}, float32), std::invalid_argument);
  EXPECT_THROW(random::multivariate_normal(mean, mean, {}, float32), std::invalid_argument);
}

TEST(TruncatedNormal, stays_between_its_bounds) {
  const array lower = array({-1.0f, 0.5f}), upper = array({1.0f, 4.0f});
  for (Dtype dtype : {float32, float16, bfloat16}) {
    array drawn = random::truncated_normal(lower, upper, {50'000, 2}, dtype, random::key(17));
    EXPECT_EQ(drawn.dtype(), dtype);
    const auto x = doubles(drawn);
    double sums[2] = {};
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(i % 2 == 0 ? x[i] >= -1 && x[i] <= 1 : x[i] >= 0.5 && x[i] <= 4);
      sums[i % 2] += x[i] / 50'000;
    }
    EXPECT_NEAR(sums[0], 0, 0.02);
    // (density(0.5) - density(4)) / (distribution(4) - distribution(0.5))
    EXPECT_NEAR(sums[1], 1.1407, 0.02);
  }
  EXPECT_EQ(random::truncated_normal(lower, upper).shape(), Shape{2});
  EXPECT_THROW(random::truncated_normal(lower, upper, Shape{3}), std::invalid_argument);
  EXPECT_THROW(random::truncated_normal(lower, upper, int32), std::invalid_argument);
}

TEST(Laplace, is_a_signed_logarithm) {
  const array key = random::key(18);
  const Shape shape{100'000};
  const auto drawn = doubles(random::laplace(shape, key)), uniform = signed_uniform(shape, key);
  for (size_t i = 0; i < drawn.size(); ++i) {
    const double exact = std::copysign(1.0, uniform[i]) * std::log1p(-std::fabs(uniform[i]));
    ASSERT_NEAR(drawn[i], exact, 1e-6 * (1 + std::fabs(exact)));
  }
  EXPECT_NEAR(moments_of(drawn).variance, 2, 0.1);
  const auto moved = doubles(random::laplace(shape, 1.0f, 3.0f, key));
  EXPECT_NEAR(moments_of(moved).mean, 1, 0.1);
  EXPECT_NEAR(moments_of(moved).variance, 18, 1);
  EXPECT_EQ(random::laplace({2}, bfloat16).dtype(), bfloat16);
  EXPECT_THROW(random::laplace({2}, int32), std::invalid_argument);
}

TEST(Gumbel, is_a_double_logarithm) {
  const array key = random::key(10);
  const Shape shape{1 << 18};
  const auto drawn = doubles(random::gumbel(shape, float32, key));
  const auto unit = unit_uniform<float>(shape, key);
  for (size_t i = 0; i < drawn.size(); ++i) {
    const double exact = -std::log(-std::log(unit[i]));
    ASSERT_NEAR(drawn[i], exact, 1e-6 * (1 + std::fabs(exact)));
  }
  const auto [mean, variance] = moments_of(drawn);
  EXPECT_NEAR(mean, 0.5772, 0.02);
  EXPECT_NEAR(variance, 1.6449, 0.05);
  EXPECT_EQ(random::gumbel({3}, bfloat16).dtype(), bfloat16);
  EXPECT_THROW(random::gumbel({3}, float64), std::runtime_error);
  EXPECT_THROW(random::gumbel({3}, int32), std::invalid_argument);
}

TEST(Categorical, shares_are_those_of_softmax) {
  constexpr int kSamples = 100'000;
  const array logits = array({0.0f, 1.0f, 2.0f, -INFINITY, 0.5f, -1.0f}, {2, 3});
  const array drawn = random::categorical(logits, -1, kSamples, random::key(11));
  ASSERT_EQ(drawn.shape(), (Shape{2, kSamples}));
  const auto shares = doubles(softmax(logits, -1));
  std::vector<double> counts(6, 0.0);
  const auto samples = values<uint32_t>(drawn);
  for (int i = 0; i < 2 * kSamples; ++i) ++counts.at(size_t(i / kSamples * 3) + samples[i]);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(counts[i] / kSamples, shares[i], 0.01);
    EXPECT_EQ(counts[i] == 0, shares[i] == 0);
  }
}

TEST(Categorical, shapes) {
  const array logits = zeros({2, 5, 3});
  const auto shape_of = [](const array& drawn) {
    EXPECT_EQ(drawn.dtype(), uint32);
    for (double x : doubles(drawn)) EXPECT_LT(x, 5);
    return drawn.shape();
  };
  EXPECT_EQ(shape_of(random::categorical(logits)), (Shape{2, 5}));
  EXPECT_EQ(shape_of(random::categorical(logits, 1)), (Shape{2, 3}));
  EXPECT_EQ(shape_of(random::categorical(logits, 0)), (Shape{5, 3}));
  EXPECT_EQ(shape_of(random::categorical(logits, -2, 7)), (Shape{2, 3, 7}));
  EXPECT_EQ(shape_of(random::categorical(logits, 1, Shape{4, 2, 3})), (Shape{4, 2, 3}));
  EXPECT_EQ(shape_of(random::categorical(zeros({5}), 0, Shape{4, 2})), (Shape{4, 2}));
  EXPECT_EQ(shape_of(random::categorical(zeros({5}), 0, Shape{})), Shape{});
  EXPECT_THROW(random::categorical(logits, 3), std::invalid_argument);
  EXPECT_THROW(random::categorical(logits, 1, Shape{2, 4}), std::invalid_argument);
  EXPECT_THROW(random::categorical(logits, 1, -1), std::invalid_argument);
}

TEST(Categorical, infinite_logits) {
  const array logits = array({0.0f, INFINITY, 5.0f, -INFINITY, -INFINITY, -1.0f}, {2, 3});
  const auto drawn = values<uint32_t>(random::categorical(logits, 1, 1000));
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(drawn[i], i < 1000 ? 1 : 2);
}

TEST(Permutation, sorts_bits) {
  const array key = random::key(19);
  for (int n : {0, 1, 2, 1000, 100'000}) {
    const Words bits = numbers(random::bits({n}, key));
    auto order = values<uint32_t>(random::permutation(n, key));
    ASSERT_EQ(order.size(), size_t(n));
    for (size_t i = 1; i < order.size(); ++i) ASSERT_LE(bits[order[i - 1]], bits[order[i]]);
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], i);
  }
  EXPECT_THROW(random::permutation(-1), std::invalid_argument);
}

TEST(Permutation, keeps_slices_together) {
  const array key = random::key(20);
  const Words order = values<uint32_t>(random::permutation(3, key));
  const array x = reshape(arange(12), {4, 3});
  const auto columns = values<int32_t>(random::permutation(x, -1, key));
  const auto rows = values<int32_t>(random::permutation(transpose(x), 0, key));
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(columns[i], i / 3 * 3 + order[i % 3]);
    EXPECT_EQ(rows[i], i % 4 * 3 + order[i / 4]);
  }
  EXPECT_THROW(random::permutation(x, 2), std::invalid_argument);
  EXPECT_THROW(random::permutation(array(1.0f)), std::invalid_argument);
}

TEST(Permutation, every_order_is_as_likely) {
  int counts[6] = {};
  const array keys = random::split(random::key(21), 3000);
  for (int i = 0; i < 3000; ++i) {
    const array key = reshape(slice(keys, {i, 0}, {i + 1, 2}), {2});
    const Words order = values<uint32_t>(random::permutation(3, key));
    ++counts[2 * order[0] + (order[1] > order[2])];
  }
  for (int count : counts) EXPECT_NEAR(count, 500, 100);
}

}  // namespace
}  // namespace tarn
