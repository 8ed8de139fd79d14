// Convolutions against their definition, a sum in double: the kernels over all parameters, dtypes
// and layouts, then what the public functions make of their arguments.
#include "tarn/kernels/cpu/conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <mutex>
#include <new>
#include <optional>

#include "tarn/ops/functions/conv.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/heap_scratch.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using Axis = ops::Convolution::Axis;

// Padding behind the input, too.
struct Case {
  ops::Convolution op;
  Shape input, weight;
  std::vector<int> padding_hi;

  // Nothing if the taps do not fit.
  std::optional<Shape> output() const {
    Shape shape{input[0]};
    for (size_t i = 0; i < op.axes.size(); ++i) {
      const Axis& axis = op.axes[i];
      const int n = input[i + 1];
      const int padded =
          (n == 0 ? 0 : (n - 1) * axis.input_dilation + 1) + axis.padding_lo + padding_hi[i];
      const int taps = (weight[i + 1] - 1) * axis.kernel_dilation + 1;
      if (padded < taps) return std::nullopt;
      shape.push_back((padded - taps) / axis.stride + 1);
    }
    shape.push_back(weight[0]);
    return shape;
  }
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  os << "input " << c.input << " weight " << c.weight << " groups " << c.op.groups << " flip "
     << c.op.flip;
  for (const Axis& axis : c.op.axes) {
    os << " [stride " << axis.stride << " low " << axis.padding_lo << " dilations "
       << axis.kernel_dilation << " " << axis.input_dilation << "]";
  }
  return os;
}

// An index of a row-major array, moved on in `shape`; false behind the last one.
bool next(std::vector<int>& index, const Shape& shape) {
  for (size_t i = index.size(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

// Dense, in double.
struct Reference {
  const Case& c;
  const std::vector<double>& input;
  const std::vector<double>& weight;

  double at(const std::vector<int>& place) const {
    const size_t n_axes = c.op.axes.size();
    const int channels = c.weight.back();
    const int group = place.back() / (c.weight[0] / c.op.groups);
    double sum = 0;
    std::vector<int> tap(n_axes, 0);
    const Shape taps(c.weight.begin() + 1, c.weight.end() - 1);
    do {
      int64_t in = place[0], w = place.back();
      bool is_inside = true;
      for (size_t i = 0; i < n_axes; ++i) {
        const Axis& axis = c.op.axes[i];
        const int x = place[i + 1] * axis.stride + tap[i] * axis.kernel_dilation - axis.padding_lo;
        is_inside &=
            x >= 0 && x % axis.input_dilation == 0 && x / axis.input_dilation < c.input[i + 1];
        in = in * c.input[i + 1] + x / axis.input_dilation;
        w = w * taps[i] + (c.op.flip ? taps[i] - 1 - tap[i] : tap[i]);
      }
      if (!is_inside) continue;
      for (int ch = 0; ch < channels; ++ch) {
        sum += input[size_t(in * c.input.back() + group * channels + ch)] *
               weight[size_t(w * channels + ch)];
      }
    } while (next(tap, taps));
    return sum;
  }
};

// Sixty-fourths, so that bfloat16 holds them.
template <class T>
std::vector<double> fill_random(TestArray& array, std::mt19937& random) {
  std::vector<double> values;
  array.for_each<T>(
      [&](T& x, int64_t) { values.push_back(double(x = T(pick(random, -64, 64) / 64.0f))); });
  return values;
}

template <class T>
void expect_convolution(const Case& c, TestArray input, TestArray weight, std::mt19937& random) {
  const std::vector<double> in = fill_random<T>(input, random), w = fill_random<T>(weight, random);
  const Shape shape = *c.output();
  TestArray output(dtype_of<T>, shape);
  cpu::convolve(c.op, input.view(), weight.view(), output.view(), heap_scratch);

  constexpr double kRounding = sizeof(T) == 8 ? 0x1p-52 : 0x1p-23;
  constexpr double kStored = std::is_same_v<T, float16_t>    ? 0x1p-11
                             : std::is_same_v<T, bfloat16_t> ? 0x1p-8
                                                             : 0;
  const double depth = double(size_of_shape(c.weight)) / std::max(c.weight[0], 1);
  const std::vector<T> got = output.elements<T>();
  std::vector<int> place(shape.size(), 0);
  for (size_t i = 0; i < got.size(); ++i, next(place, shape)) {
    const double expected = Reference{c, in, w}.at(place);
    const double bound = depth * kRounding + std::abs(expected) * kStored + 0x1p-24;
    ASSERT_LE(std::abs(double(got[i]) - expected), bound)
        << "element " << i << " is " << double(got[i]) << ", not " << expected << "; " << c;
  }
}

template <class T>
void expect_convolution(const Case& c, std::mt19937& random, bool dense = true) {
  ASSERT_TRUE(c.output()) << c;
  const auto operand = [&](const Shape& shape) {
    return dense ? TestArray(dtype_of<T>, shape)
                 : TestArray::random_layout(dtype_of<T>, shape, random);
  };
  expect_convolution<T>(c, operand(c.input), operand(c.weight), random);
}

// A case of as many axes as `input` has between batch and channels, each with the same parameters.
Case uniform(Shape input, int channels, int taps, Axis axis, int padding_hi, int groups = 1,
             bool flip = false) {
  const size_t n_axes = input.size() - 2;
  Shape weight(n_axes + 2, taps);
  weight[0] = channels;
  weight.back() = input.back() / groups;
  return {{std::vector<Axis>(n_axes, axis), groups, flip},
          std::move(input),
          std::move(weight),
          std::vector<int>(n_axes, padding_hi)};
}

Case random_case(std::mt19937& random, bool depthwise) {
  const int n_axes = pick(random, 1, 3);
  const int groups = depthwise ? pick(random, 2, 40) : pick(random, 0, 2) == 0 ? 3 : 1;
  const int channels = depthwise ? 1 : pick(random, 0, 30) == 0 ? 0 : pick(random, 1, 5);
  const auto small = [&](int high) { return pick(random, 0, 1) == 0 ? 1 : pick(random, 1, high); };
  Case c{{{}, groups, pick(random, 0, 1) == 0}, {}, {}, {}};
  c.input.push_back(pick(random, 0, 20) == 0 ? 0 : pick(random, 1, 3));
  c.weight.push_back(groups * (depthwise ? small(3) : pick(random, 0, 20) == 0 ? 0 : small(20)));
  for (int i = 0; i < n_axes; ++i) {
    c.input.push_back(pick(random, 0, 30) == 0 ? 0 : pick(random, 1, 9));
    c.weight.push_back(small(4));
    c.op.axes.push_back({small(4), pick(random, -3, 4), small(3), small(4)});
    c.padding_hi.push_back(pick(random, -3, 4));
  }
  c.input.push_back(groups * channels);
  c.weight.push_back(channels);
  return c;
}

template <class T>
class Convolution : public testing::Test {};
using Elements = testing::Types<float, double, float16_t, bfloat16_t>;
TYPED_TEST_SUITE(Convolution, Elements);

TYPED_TEST(Convolution, random_parameters_and_layouts) {
  std::mt19937 random(1);
  for (int n = 0; n < 600;) {
    const Case c = random_case(random, n % 4 == 3);
    if (!c.output()) continue;
    ASSERT_NO_FATAL_FAILURE(expect_convolution<TypeParam>(c, random, n++ % 2 == 0));
  }
}

// As much work as is left to oneDNN where that has code for it, on several threads.
TYPED_TEST(Convolution, large) {
  std::mt19937 random(2);
  const Case cases[] = {
      uniform({2, 30, 31, 24}, 40, 3, {1, 1, 1, 1}, 1),
      uniform({1, 40, 43, 16}, 40, 3, {2, 1, 2, 1}, 1),
      uniform({3, 33, 38, 3}, 70, 7, {2, 3, 1, 1}, 3),
      uniform({1, 17, 18, 20}, 50, 4, {1, 2, 1, 2}, 2, 1, true),  // transposed
      uniform({1, 40, 50, 20}, 32, 3, {1, -2, 1, 1}, -5),
      uniform({2, 30, 30, 32}, 32, 3, {1, 1, 1, 1}, 1, 2),
      uniform({2, 30, 30, 96}, 192, 3, {1, 1, 1, 1}, 1, 24),
      uniform({70, 9, 8, 16}, 32, 3, {1, 1, 1, 1}, 1),
      uniform({1, 5, 5, 130}, 400, 3, {1, 1, 1, 1}, 1),
      uniform({1, 4000, 32}, 33, 3, {1, 1, 1, 1}, 1),
      uniform({2, 6, 20, 19, 16}, 16, 3, {1, 1, 1, 1}, 1),
      uniform({3, 30, 32, 60}, 80, 1, {1, 0, 1, 1}, 0),
      uniform({3, 30, 32, 60}, 150, 1, {2, 0, 1, 1}, 0),
      uniform({2, 15, 15, 16}, 24, 3, {1, 17, 1, 1}, 18),  // whole tiles see padding only
  };
  for (const Case& c : cases) ASSERT_NO_FATAL_FAILURE(expect_convolution<TypeParam>(c, random));
  for (int i : {0, 3, 9}) {
    ASSERT_NO_FATAL_FAILURE(expect_convolution<TypeParam>(cases[i], random, false));
  }
}

TYPED_TEST(Convolution, depthwise) {
  std::mt19937 random(3);
  for (int channels : {2, 7, 8, 16, 33, 64, 100}) {
    const Case c = uniform({2, 14, 40, channels}, channels, 3, {1, 1, 1, 1}, 1, channels);
    ASSERT_NO_FATAL_FAILURE(expect_convolution<TypeParam>(c, random));
  }
  const Case cases[] = {
      uniform({2, 40, 41, 32}, 32, 7, {2, 3, 1, 1}, 3, 32),
      uniform({1, 3000, 24}, 24, 4, {1, 3, 2, 1}, 3, 24),
      uniform({1, 20, 21, 24}, 72, 3, {1, 1, 1, 1}, 1, 24),
      uniform({1, 20, 21, 24}, 24, 4, {1, 2, 1, 2}, 2, 24, true),
  };
  for (const Case& c : cases) ASSERT_NO_FATAL_FAILURE(expect_convolution<TypeParam>(c, random));
}

TYPED_TEST(Convolution, broadcast_operands) {
  std::mt19937 random(4);
  const Case c = uniform({3, 9, 8, 4}, 6, 3, {1, 1, 1, 1}, 1);
  TestArray input(dtype_of<TypeParam>, {1, 9, 1, 4}), weight(dtype_of<TypeParam>, {6, 1, 3, 4});
  fill_random<TypeParam>(input, random);
  fill_random<TypeParam>(weight, random);
  input.broadcast_to(c.input);
  weight.broadcast_to(c.weight);
  std::vector<double> in, w;
  input.for_each<TypeParam>([&](TypeParam& x, int64_t) { in.push_back(double(x)); });
  weight.for_each<TypeParam>([&](TypeParam& x, int64_t) { w.push_back(double(x)); });
  TestArray output(dtype_of<TypeParam>, *c.output());
  cpu::convolve(c.op, input.view(), weight.view(), output.view(), heap_scratch);
  std::vector<int> place(4, 0);
  for (TypeParam got : output.elements<TypeParam>()) {
    EXPECT_NEAR(double(got), (Reference{c, in, w}.at(place)), 0.05);
    next(place, *c.output());
  }
}

// What no convolution can do without copying it.
TestArray with_axes_reversed(Dtype dtype, const Shape& shape) {
  TestArray array(dtype, Shape(shape.rbegin(), shape.rend()));
  array.transpose({3, 2, 1, 0});
  return array;
}

TYPED_TEST(Convolution, out_of_memory_is_thrown) {
  std::mt19937 random(5);
  for (const Case& c : {uniform({2, 30, 31, 24}, 40, 3, {1, 1, 1, 1}, 1),
                        uniform({2, 30, 31, 24}, 24, 3, {1, 1, 1, 1}, 1, 24)}) {
    int n_left = 0;
    const auto run = [&](int n_allocations) {
      n_left = n_allocations;
      TestArray input = with_axes_reversed(dtype_of<TypeParam>, c.input);
      TestArray weight = with_axes_reversed(dtype_of<TypeParam>, c.weight);
      input.fill_random_bytes(random);
      TestArray output(dtype_of<TypeParam>, *c.output());
      std::mutex mutex;
      cpu::convolve(c.op, input.view(), weight.view(), output.view(), [&](int64_t nbytes) {
        const std::lock_guard lock(mutex);
        return n_left-- > 0 ? heap_scratch(nbytes) : throw std::bad_alloc();
      });
    };
    EXPECT_THROW(run(0), std::bad_alloc);
    EXPECT_THROW(run(1), std::bad_alloc);
    EXPECT_NO_THROW(run(100));
  }
}

array numbers(Shape shape, Dtype dtype = float32) {
  const int64_t n = size_of_shape(shape);
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) values[size_t(i)] = float(i * 7 % 11) - 5;
  return astype(array(values.begin(), std::move(shape)), dtype);
}

void expect_equal(const array& got, const Case& c) {
  ASSERT_TRUE(c.output()) << c;
  ASSERT_EQ(got.shape(), *c.output()) << c;
  const std::vector<double> in = values_of(numbers(c.input)), w = values_of(numbers(c.weight));
  std::vector<int> place(got.ndim(), 0);
  for (double x : values_of(got)) {
    ASSERT_EQ(x, (Reference{c, in, w}.at(place))) << c;
    next(place, got.shape());
  }
}

TEST(ConvFunctions, conv_general_expands_lists) {
  const Shape input{2, 9, 8, 4}, weight{6, 3, 2, 2};
  const auto expect = [&](const array& got, Axis a, Axis b, std::vector<int> hi, int groups,
                          bool flip) {
    expect_equal(got, {{{a, b}, groups, flip}, input, weight, std::move(hi)});
  };
  const array x = numbers(input), w = numbers(weight);
  const std::vector<int> none;
  expect(conv_general(x, w, none, none, none, none, none, 2), {1, 0, 1, 1}, {1, 0, 1, 1}, {0, 0}, 2,
         false);
  expect(conv_general(x, w, {2}, {1}, {2}, {2}, {3}, 2, true), {2, 1, 2, 3}, {2, 1, 2, 3}, {2, 2},
         2, true);
  expect(conv_general(x, w, {2, 1}, {1, -1}, {-2, 3}, {2, 1}, {1, 3}, 2), {2, 1, 2, 1},
         {1, -1, 1, 3}, {-2, 3}, 2, false);
  const std::vector<int> stride{1, 2}, padding{2, -1}, dilation{1, 2}, input_dilation{2, 1};
  expect(conv_general(x, w, stride, padding, dilation, input_dilation, 2, true), {1, 2, 1, 2},
         {2, -1, 2, 1}, {2, -1}, 2, true);
}

TEST(ConvFunctions, spatial_axes) {
  const array x = numbers({2, 11, 6}), w = numbers({4, 3, 3});
  expect_equal(conv1d(x, w, 2, 1, 2, 2), {{{{2, 1, 2, 1}}, 2, false}, {2, 11, 6}, {4, 3, 3}, {1}});
  const array image = numbers({2, 9, 8, 3}), w2 = numbers({4, 3, 2, 3});
  expect_equal(conv2d(image, w2, {2, 1}, {1, 0}, {1, 2}),
               {{{{2, 1, 1, 1}, {1, 0, 2, 1}}, 1, false}, {2, 9, 8, 3}, {4, 3, 2, 3}, {1, 0}});
  const array volume = numbers({1, 5, 6, 7, 2}), w3 = numbers({3, 2, 3, 1, 2});
  expect_equal(conv3d(volume, w3, {1, 2, 3}, {0, 1, 2}, {2, 1, 1}),
               {{{{1, 0, 2, 1}, {2, 1, 1, 1}, {3, 2, 1, 1}}, 1, false},
                {1, 5, 6, 7, 2},
                {3, 2, 3, 1, 2},
                {0, 1, 2}});
}

// Every element of the input, times the weights, is added where its window is.
TEST(ConvFunctions, transposed_convolutions_spread_the_input) {
  constexpr int kIn = 7, kTaps = 4, kChannels = 3, kOut = 2;
  const array x = numbers({1, kIn, kChannels}), w = numbers({kOut, kTaps, kChannels});
  const std::vector<double> xs = values_of(x), ws = values_of(w);
  for (int stride : {1, 2, 3}) {
    for (int padding : {0, 1, 4}) {
      for (int dilation : {1, 2}) {
        for (int extra : {0, 1}) {
          const int n = (kIn - 1) * stride - 2 * padding + dilation * (kTaps - 1) + 1 + extra;
          std::vector<double> expected(size_t(n * kOut), 0.0);
          for (int i = 0; i < kIn; ++i) {
            for (int tap = 0; tap < kTaps; ++tap) {
              const int to = i * stride + tap * dilation - padding;
              if (to < 0 || to >= n) continue;
              for (int j = 0; j < kOut; ++j) {
                for (int c = 0; c < kChannels; ++c) {
                  expected[size_t(to * kOut + j)] +=
                      xs[size_t(i * kChannels + c)] * ws[size_t((j * kTaps + tap) * kChannels + c)];
                }
              }
            }
          }
          const array y = conv_transpose1d(x, w, stride, padding, dilation, extra);
          ASSERT_EQ(y.shape(), (Shape{1, n, kOut}));
          ASSERT_EQ(values_of(y), expected) << stride << padding << dilation << extra;
        }
      }
    }
  }
}

TEST(ConvFunctions, transposed_convolutions_of_more_axes) {
  const array image = numbers({2, 5, 4, 6}), w2 = numbers({4, 3, 2, 3});
  expect_equal(conv_transpose2d(image, w2, {2, 1}, {1, 0}, {1, 2}, {1, 0}, 2),
               {{{{1, 1, 1, 2}, {1, 2, 2, 1}}, 2, true}, {2, 5, 4, 6}, {4, 3, 2, 3}, {2, 2}});
  const array volume = numbers({1, 3, 4, 2, 2}), w3 = numbers({3, 2, 3, 1, 2});
  expect_equal(conv_transpose3d(volume, w3, {1, 2, 3}, {0, 1, 0}, {2, 1, 1}, {0, 0, 1}),
               {{{{1, 2, 2, 1}, {1, 1, 1, 2}, {1, 0, 1, 3}}, 1, true},
                {1, 3, 4, 2, 2},
                {3, 2, 3, 1, 2},
                {2, 1, 1}});
}

TEST(ConvFunctions, dtypes_promote_to_a_floating_one) {
  const Shape input{1, 5, 2}, weight{3, 2, 2};
  EXPECT_EQ(conv1d(numbers(input, int32), numbers(weight, float16)).dtype(), float16);
  EXPECT_EQ(conv1d(numbers(input, bfloat16), numbers(weight, float16)).dtype(), float32);
  EXPECT_EQ(conv1d(numbers(input, float64), numbers(weight)).dtype(), float64);
  EXPECT_THROW(conv1d(numbers(input, int32), numbers(weight, int32)), std::invalid_argument);
  EXPECT_THROW(conv1d(numbers(input, complex64), numbers(weight)), std::invalid_argument);
}

TEST(ConvFunctions, empty_arrays) {
  EXPECT_EQ(conv1d(numbers({0, 5, 2}), numbers({3, 2, 2})).shape(), (Shape{0, 4, 3}));
  EXPECT_EQ(conv1d(numbers({2, 5, 2}), numbers({0, 2, 2})).shape(), (Shape{2, 4, 0}));
  EXPECT_EQ(values_of(conv1d(numbers({1, 3, 0}), numbers({2, 2, 0}))), std::vector<double>(4));
  EXPECT_EQ(values_of(conv1d(numbers({1, 0, 2}), numbers({2, 2, 2}), 1, 1)),
            std::vector<double>(2));
}

TEST(ConvFunctions, mistakes_are_invalid_arguments) {
  const array x = numbers({1, 8, 8, 4}), w = numbers({6, 3, 3, 4});
  const std::vector<int> none, one{1};
  const std::function<void()> mistakes[] = {
      [&] { conv1d(x, w); },
      [&] { conv3d(x, w); },
      [&] { conv_transpose1d(x, w); },
      [&] {
        conv2d(x, numbers({6, 3, 4}));
      },
      [&] {
        conv2d(x, numbers({6, 3, 3, 3}));
      },
      [&] {
        conv2d(x, w, {0, 1});
      },
      [&] {
        conv2d(x, w, {1, -1});
      },
      [&] {
        conv2d(x, w, {1, 1}, {0, 0}, {1, 0});
      },
      [&] {
        conv2d(x, w, {1, 1}, {0, 0}, {1, 1}, 0);
      },
      [&] {
        conv2d(x, w, {1, 1}, {0, 0}, {1, 1}, 2);
      },
      [&] {
        conv2d(x, numbers({5, 3, 3, 2}), {1, 1}, {0, 0}, {1, 1}, 2);
      },
      [&] {
        conv2d(x, numbers({6, 9, 3, 4}));
      },
      [&] {
        conv2d(x, w, {1, 1}, {0, 0}, {4, 1});
      },
      [&] {
        conv2d(x, w, {1, 1}, {-3, 0});
      },
      [&] {
        conv2d(x, numbers({6, 0, 3, 4}));
      },
      [&] {
        conv_general(x, w, {1, 1, 1}, none, none, none, none, 1);
      },
      [&] {
        conv_general(x, w, none, {1, 2, 3}, none, none, none, 1);
      },
      [&] { conv_general(x, w, none, none, none, none, std::vector<int>{0}, 1); },
      [&] {
        conv_general(numbers({1, 4}), numbers({1, 4}), none, none, none, none, one, 1);
      },
      [&] {
        conv_general(numbers({1, 2, 2, 2, 2, 1}), numbers({1, 1, 1, 1, 1, 1}), none, none, none,
                     none, one, 1);
      },
      [&] {
        conv3d(numbers({1, 4, 4, 4, 4}), numbers({2, 2, 2, 2, 2}), {1, 1, 1}, {0, 0, 0}, {1, 1, 1},
               2);
      },
      [&] {
        conv_transpose2d(x, w, {0, 1});
      },
      [&] {
        conv_transpose2d(x, w, {1, 1}, {5, 5});
      },
  };
  for (const auto& mistake : mistakes) {
    const auto number = &mistake - mistakes;
    EXPECT_THROW(mistake(), std::invalid_argument) << number;
  }
  try {
    conv2d(x, numbers({6, 9, 3, 4}));
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(),
                 "[conv2d] 9 taps do not fit into 8 padded elements along axis 1, shapes "
                 "(1,8,8,4) and (6,9,3,4).");
  }
}

TEST(ConvFunctions, sizes_beyond_int32_are_overflow_errors) {
  constexpr int kLarge = 1 << 30;
  const array x = numbers({1, 4, 1}), w = numbers({1, 3, 1});
  const std::vector<int> none;
  EXPECT_THROW(conv1d(x, w, 1, kLarge), std::overflow_error);
  EXPECT_THROW(conv1d(x, w, 1, 0, kLarge), std::overflow_error);
  EXPECT_THROW(conv_general(x, w, none, none, none, none, std::vector<int>{kLarge}, 1),
               std::overflow_error);
  EXPECT_THROW(conv_transpose1d(x, w, kLarge), std::overflow_error);
  EXPECT_THROW(conv_transpose1d(x, w, 1, 0, kLarge), std::overflow_error);
}

}  // namespace
}  // namespace tarn
