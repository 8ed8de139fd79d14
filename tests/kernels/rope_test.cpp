// Rotary position embedding against its definition, computed in double.
#include "tarn/kernels/cpu/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tarn/tarn.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/float_types.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

template <class T>
constexpr double kBound = std::is_same_v<T, double>      ? 1e-12
                          : std::is_same_v<T, float>     ? 5e-7
                          : std::is_same_v<T, float16_t> ? 0x1p-11 + 5e-7
                                                         : 0x1p-8 + 5e-7;

struct Case {
  ops::Rope op;
  TestArray* offset;
  TestArray* freqs;
};

// The elements in row-major order.
std::vector<double> expected_rope(const Case& c, const std::vector<double>& x, const Shape& shape) {
  std::vector<double> y = x;
  const int64_t features = shape.back(), positions = shape[shape.size() - 2];
  const std::vector<int64_t> offsets = c.offset->elements<int64_t>();
  const std::vector<float> freqs =
      c.freqs != nullptr ? c.freqs->elements<float>() : std::vector<float>{};
  const int64_t per_batch = int64_t(x.size()) / shape[0];
  for (int64_t row = 0; row < int64_t(x.size()) / features; ++row) {
    const int64_t batch = row * features / per_batch;
    const double position =
        double(row % positions + offsets[offsets.size() > 1 ? size_t(batch) : 0]) * c.op.scale;
    for (int i = 0; i < c.op.dims / 2; ++i) {
      const double frequency = c.freqs != nullptr
                                   ? 1 / double(freqs[size_t(i)])
                                   : std::pow(double(c.op.base), -2.0 * i / c.op.dims);
      const int64_t first = row * features + (c.op.traditional ? 2 * i : i);
      const int64_t second = first + (c.op.traditional ? 1 : c.op.dims / 2);
      const double cosine = std::cos(position * frequency), sine = std::sin(position * frequency);
      y[first] = x[first] * cosine - x[second] * sine;
      y[second] = x[second] * cosine + x[first] * sine;
    }
  }
  return y;
}

template <class T>
void check_rope(const Case& c, TestArray& x) {
  std::vector<double> elements;
  for (T value : x.elements<T>()) elements.push_back(to_double(value));
  const std::vector<double> expected = expected_rope(c, elements, x.shape());
  const View freqs = c.freqs != nullptr ? c.freqs->view() : c.offset->view();
  const auto run = [&](TestArray& from, TestArray& to) {
    cpu::rope(c.op, from.view(), c.offset->view(), c.freqs != nullptr ? &freqs : nullptr,
              to.view());
  };
  const auto expect = [&](TestArray& out, const char* how) {
    const std::vector<T> got = out.elements<T>();
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(to_double(got[i]), expected[i], kBound<T> * 6)  // elements are below 4
          << dtype_name(dtype_of<T>) << " " << testing::PrintToString(x.shape()) << " dims "
          << c.op.dims << (c.op.traditional ? " traditional" : "") << how << " at " << i;
    }
  };
  TestArray out(dtype_of<T>, x.shape());
  run(x, out);
  ASSERT_NO_FATAL_FAILURE(expect(out, ""));
  TestArray same(dtype_of<T>, x.shape());
  same.set(x.elements<T>());
  run(same, same);
  ASSERT_NO_FATAL_FAILURE(expect(same, " in place"));
}

TestArray random_offset(const Shape& shape, bool per_batch, std::mt19937& random) {
  TestArray offset = TestArray::random_layout(int64,
                                              per_batch      ? Shape{shape[0]}
                                              : random() % 2 ? Shape{}
                                                             : Shape{1},
                                              random);
  offset.for_each<int64_t>([&](int64_t& x, int64_t) { x = pick(random, -3, 2000); });
  return offset;
}

TestArray random_freqs(int dims, std::mt19937& random) {
  TestArray freqs = TestArray::random_layout(float32, {dims / 2}, random);
  freqs.for_each<float>([&](float& x, int64_t) { x = float(pick(random, 1, 5000)) / 3; });
  return freqs;
}

template <class T>
void check_shape(const Shape& shape, int dims, bool any_layout, std::mt19937& random) {
  TestArray x = any_layout ? TestArray::random_layout(dtype_of<T>, shape, random)
                           : TestArray(dtype_of<T>, shape);
  std::uniform_real_distribution<float> uniform(-4, 4);
  x.for_each<T>([&](T& value, int64_t) { value = T(uniform(random)); });
  for (bool traditional : {false, true}) {
    TestArray offset = random_offset(shape, random() % 2 != 0, random);
    TestArray freqs = random_freqs(dims, random);
    const float base = random() % 2 ? 10'000 : 100;
    const float scale = random() % 2 ? 1 : 0.25f;
    ASSERT_NO_FATAL_FAILURE(check_rope<T>(
        {{dims, traditional, base, scale}, &offset, random() % 3 == 0 ? &freqs : nullptr}, x));
  }
}

TEST(Rope, any_layout) {
  std::mt19937 random(1);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 60; ++i) {
      Shape shape{pick(random, 1, 3)};
      for (int n = pick(random, 0, 2); n > 0; --n) shape.push_back(pick(random, 1, 4));
      shape.push_back(pick(random, 1, 9));
      const int dims = 2 * pick(random, 1, 40);
      shape.push_back(dims + (random() % 2 ? 0 : pick(random, 1, 20)));
      ASSERT_NO_FATAL_FAILURE(check_shape<T>(shape, dims, true, random));
    }
  });
}

// More positions, heads and angles than a unit of work takes; written past the caches.
TEST(Rope, large_arrays) {
  std::mt19937 random(2);
  const std::pair<Shape, int> cases[] = {{{2, 300, 64}, 64},       {{1, 3, 5, 2100}, 2092},
                                         {{2, 90, 40, 130}, 128},  {{3, 9000, 1, 12}, 12},
                                         {{1, 1, 2100, 1000}, 10}, {{1, 2, 60, 1100}, 1024}};
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (const auto& [shape, dims] : cases) {
      ASSERT_NO_FATAL_FAILURE(check_shape<T>(shape, dims, false, random));
    }
  });
}

TEST(Rope, far_positions_are_as_accurate_as_near_ones) {
  std::mt19937 random(3);
  TestArray x(float32, {1, 4, 64}), offset(int64, {});
  x.for_each<float>([&](float& value, int64_t i) { value = float(i % 7) - 3; });
  for (int64_t position : {int64_t{100'000}, int64_t{-3'000'001}, int64_t{1} << 24}) {
    offset.set<int64_t>({position});
    ASSERT_NO_FATAL_FAILURE(check_rope<float>({{64, true, 10'000, 1}, &offset, nullptr}, x));
  }
}

TEST(RopeFunction, offsets_and_frequencies) {
  const array x = reshape(arange(2 * 3 * 4, float32), {2, 3, 4});
  const auto rows = [](const array& a) { return values_of<float>(a); };
  const array turned = fast::rope(x, 4, false, 100.0f, 1, 5);
  EXPECT_EQ(turned.shape(), x.shape());
  EXPECT_EQ(rows(turned), rows(fast::rope(x, 4, false, 100.0f, 1, array(5))));
  EXPECT_EQ(rows(turned), rows(fast::rope(x, 4, false, 100.0f, 1, array({5, 5}, uint32))));
  // A position beside no offset, and the frequencies that a base stands for.
  EXPECT_EQ(rows(turned), rows(fast::rope(x, 4, false, std::nullopt, 1, 5, array({1.0f, 10.0f}))));
  const array apart = fast::rope(x, 4, false, 100.0f, 1, array({0, 5}));
  EXPECT_EQ(rows(slice(apart, {1, 0, 0}, {2, 3, 4})), rows(slice(turned, {1, 0, 0}, {2, 3, 4})));
  EXPECT_EQ(rows(slice(apart, {0, 0, 0}, {1, 1, 4})), (std::vector<float>{0, 1, 2, 3}));
  // What is beyond the dimensions stays.
  EXPECT_EQ(rows(slice(fast::rope(x, 2, true, 100.0f, 1, 5), {0, 0, 2}, {2, 3, 4})),
            rows(slice(x, {0, 0, 2}, {2, 3, 4})));
  EXPECT_EQ(fast::rope(zeros({1, 2, 4}, bfloat16), 4, true, 10.0f, 1, 0).dtype(), bfloat16);
  EXPECT_TRUE(rows(fast::rope(zeros({0, 3, 4}), 4, true, 10.0f, 1, 0)).empty());
  EXPECT_TRUE(rows(fast::rope(zeros({0, 3, 4}), 4, true, 10.0f, 1, zeros({0}, int32))).empty());
}

TEST(RopeFunction, mistakes) {
  const array x = zeros({2, 3, 8});
  const auto refuses = [](const array& a, int dims, std::optional<float> base, const array& offset,
                          const std::optional<array>& freqs) {
    EXPECT_THROW(fast::rope(a, dims, false, base, 1, offset, freqs), std::invalid_argument);
  };
  refuses(zeros({2, 3, 8}, int32), 8, 10.0f, array(0), std::nullopt);
  refuses(zeros({2, 3, 8}, complex64), 8, 10.0f, array(0), std::nullopt);
  refuses(zeros({3, 8}), 8, 10.0f, array(0), std::nullopt);
  for (int dims : {0, -2, 3, 10}) refuses(x, dims, 10.0f, array(0), std::nullopt);
  refuses(x, 8, std::nullopt, array(0), std::nullopt);
  refuses(x, 8, 10.0f, array(0), ones({4}));
  refuses(x, 8, std::nullopt, array(0), ones({3}));
  refuses(x, 8, std::nullopt, array(0), ones({1, 4}));
  refuses(x, 8, 10.0f, array(0.0f), std::nullopt);
  refuses(x, 8, 10.0f, zeros({3}, int32), std::nullopt);
  refuses(x, 8, 10.0f, zeros({1, 1}, int32), std::nullopt);
  EXPECT_THROW(fast::rope(x, 8, true, std::nullopt, 1, 0), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
