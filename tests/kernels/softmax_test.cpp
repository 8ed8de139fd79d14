// Softmax and logsumexp against their definitions, computed in long double.
#include "tarn/kernels/cpu/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tarn/tarn.h"
#include "tests/kernels/element_groups.h"
#include "tests/kernels/float_types.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// What T holds within `relative` of `exact`, NaN for NaN. Products of subnormal numbers have no
// relative accuracy.
template <class T>
bool is_within(T got, long double exact, long double relative) {
  const double value = to_double(got);
  if (std::isnan(exact)) return std::isnan(value);
  const long double bound =
      std::fabs(exact) * relative + 2 * std::numeric_limits<Compute<T>>::denorm_min();
  return to_double(T(Compute<T>(exact - bound))) <= value &&
         value <= to_double(T(Compute<T>(exact + bound)));
}

struct Exponentials {
  long double max, sum;
};

// Infinities and NaN come out as the definition has them.
template <class T>
Exponentials exponentials(const std::vector<T>& group) {
  Exponentials result{-INFINITY, 0};
  for (T x : group) {
    const long double value = to_double(x);
    result.max = std::isnan(value) || std::isnan(result.max) ? NAN : std::fmax(result.max, value);
  }
  for (T x : group) result.sum += std::exp(to_double(x) - result.max);
  return result;
}

// The difference from the maximum is rounded before its exponential is taken.
template <class T>
long double relative_bound(long double difference) {
  const long double unit = std::numeric_limits<Compute<T>>::epsilon() / 2;
  return std::isfinite(difference) ? (std::fabs(difference) + 24) * unit : unit;
}

template <class T>
void expect_softmax(const Groups<T>& in, const Groups<T>& out, const std::string& what) {
  for (size_t g = 0; g < in.elements.size(); ++g) {
    const auto [max, sum] = exponentials(in.elements[g]);
    for (size_t i = 0; i < in.elements[g].size(); ++i) {
      const long double difference = to_double(in.elements[g][i]) - max;
      ASSERT_TRUE(
          is_within(out.elements[g][i], std::exp(difference) / sum, relative_bound<T>(difference)))
          << what << " group " << g << " element " << i << " is " << to_double(out.elements[g][i]);
    }
  }
}

void run_softmax(TestArray& in, const std::vector<int>& axes, TestArray& out) {
  const auto bytes = size_t(cpu::softmax_scratch_bytes(in.view(), axes, out.view()));
  std::vector<std::byte> scratch(bytes + 64);
  void* aligned = scratch.data();
  size_t space = scratch.size();
  cpu::softmax(in.view(), axes, out.view(), std::align(64, bytes, aligned, space));
}

template <class T>
void check_softmax(TestArray& in, const std::vector<int>& axes) {
  const std::string what = testing::PrintToString(dtype_name(dtype_of<T>)) + " " +
                           testing::PrintToString(in.shape()) + " along " +
                           testing::PrintToString(axes);
  TestArray out(dtype_of<T>, in.shape());
  run_softmax(in, axes, out);
  const Groups<T> from = group_elements<T>(in, axes);
  ASSERT_NO_FATAL_FAILURE(expect_softmax(from, group_elements<T>(out, axes), what));

  TestArray same(dtype_of<T>, in.shape());
  same.set(in.elements<T>());
  run_softmax(same, axes, same);
  ASSERT_NO_FATAL_FAILURE(expect_softmax(from, group_elements<T>(same, axes), what + " in place"));
}

template <class T>
void fill_numbers(TestArray& array, float range, bool has_special, std::mt19937& random) {
  std::uniform_real_distribution<float> number(-range, range);
  array.for_each<T>([&](T& x, int64_t) {
    const bool is_special = has_special && random() % 50 == 0;
    x = is_special ? random_special<T>(random) : T(number(random));
  });
}

TEST(Softmax, any_layout_along_any_axes) {
  std::mt19937 random(1);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 300; ++i) {
      const Shape shape = i % 6 == 0 ? random_shape(random, 2, 120) : random_shape(random, 4, 7);
      TestArray in = TestArray::random_layout(dtype_of<T>, shape, random);
      fill_numbers<T>(in, i % 5 == 0 ? 80 : 4, i % 3 == 0, random);
      ASSERT_NO_FATAL_FAILURE(check_softmax<T>(in, random_axes(random, shape)));
    }
  });
}

// Longer than scratch memory, wider than a block of columns, and enough for several threads.
TEST(Softmax, large_arrays) {
  std::mt19937 random(2);
  const std::pair<Shape, std::vector<int>> cases[] = {
      {{30'000}, {0}},    {{200, 1030}, {1}},     {{200, 1030}, {0}},  {{5000, 70}, {0}},
      {{3, 9000}, {1}},   {{40, 50, 60}, {0, 2}}, {{40, 50, 60}, {1}}, {{20, 9000}, {0, 1}},
      {{9000, 3}, {0}},   {{4, 3000, 17}, {1}},   {{17, 3000}, {0}},   {{33'000, 17}, {0}},
      {{300, 5000}, {0}}, {{1100, 2048}, {0}},    {{1100, 2048}, {1}}};
  for (const auto& [shape, axes] : cases) {
    for_each_float_type([&]<class T>(type_tag<T>) {
      TestArray in(dtype_of<T>, shape);
      for (bool has_special : {false, true}) {
        fill_numbers<T>(in, 4, has_special, random);
        ASSERT_NO_FATAL_FAILURE(check_softmax<T>(in, axes));
      }
    });
  }
}

// Each row is a new maximum, and sums are moved to it by the same factor again and again.
TEST(Softmax, of_columns_that_rise_steadily) {
  constexpr int kBlocks = 32;  // so many that their rows are not shared out
  constexpr int kRows = 16'000, kColumns = 16;
  TestArray in(float32, {kBlocks, kRows, kColumns});
  in.for_each<float>([&](float& x, int64_t i) { x = 0.5f * float(i / kColumns % kRows) / kRows; });
  ASSERT_NO_FATAL_FAILURE(check_softmax<float>(in, {1}));
}

// In 16 bits, running sums of rows this long would stop at a fraction.
TEST(Softmax, rows_add_up_to_one) {
  TestArray in(bfloat16, {2, 4096}), out(bfloat16, {2, 4096});
  in.for_each<bfloat16_t>([](bfloat16_t& x, int64_t) { x = bfloat16_t(1.0f); });
  run_softmax(in, {1}, out);
  for (bfloat16_t x : out.elements<bfloat16_t>()) ASSERT_EQ(float(x), 1.0f / 4096);
}

TEST(LogSumExp, agrees_with_its_definition) {
  std::mt19937 random(3);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 60; ++i) {
      Shape shape = random_shape(random, 3, 20);
      for (auto& dim : shape) dim = std::max(dim, 1);
      const std::vector<int> axes = random_axes(random, shape);
      TestArray in(dtype_of<T>, shape);
      fill_numbers<T>(in, i % 5 == 0 ? 80 : 4, i % 3 == 0, random);
      const array a(in.elements<T>().begin(), shape, dtype_of<T>);
      array result = logsumexp(a, axes);
      eval(result);
      const Groups<T> groups = group_elements<T>(in, axes);
      ASSERT_EQ(result.shape(), groups.shape);
      for (size_t g = 0; g < groups.elements.size(); ++g) {
        const auto [max, sum] = exponentials(groups.elements[g]);
        const long double exact = std::isinf(max) ? max : max + std::log(sum);
        const long double unit = to_double(std::numeric_limits<T>::epsilon());
        const double got = to_double(result.data<T>()[g]);
        ASSERT_TRUE(std::isnan(exact) ? std::isnan(got)
                                      : got == exact || std::fabs(got - exact) <=
                                                            8 * unit * (std::fabs(exact) + 4))
            << dtype_name(dtype_of<T>) << " " << shape << " " << got << " " << double(exact);
      }
    }
  });
}

TEST(SoftmaxFunction, columns_past_the_caches) {
  for (const int n_columns : {2048, 2050}) {
    const Shape shape{1100, n_columns};
    const array x = reshape(sin(arange(float(shape[0] * shape[1]))), shape);
    const array expected = transpose(softmax(contiguous(transpose(x)), 1));
    EXPECT_TRUE(allclose(softmax(x, 0), expected, 1e-5, 0).item<bool>()) << n_columns;
  }
}

TEST(LogSumExp, of_more_elements_than_the_largest_float16) {
  const array x = zeros({2, 70000}, float16);
  EXPECT_EQ(logsumexp(x, 1).dtype(), float16);
  EXPECT_TRUE(allclose(logsumexp(x, 1), array(std::log(70000.0f)), 1e-3, 0).item<bool>());
}

TEST(LogSumExp, infinities_and_large_numbers) {
  const float kInf = INFINITY;
  const auto of = [](std::vector<float> values) {
    return logsumexp(array(values.begin(), {int(values.size())})).item<float>();
  };
  EXPECT_EQ(of({-kInf, -kInf}), -kInf);
  EXPECT_EQ(of({1, kInf}), kInf);
  EXPECT_EQ(of({-kInf, 2}), 2);
  EXPECT_EQ(of({1000, 1000}), 1000 + std::log(2.0f));
  EXPECT_EQ(of({-1000, -1000}), -1000 + std::log(2.0f));
  EXPECT_TRUE(std::isnan(of({1, NAN, kInf})));
}

}  // namespace
}  // namespace tarn
