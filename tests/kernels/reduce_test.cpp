// Reductions and searches against plain loops over the same elements.
#include "tarn/kernels/cpu/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/element_groups.h"
#include "tests/kernels/heap_scratch.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

constexpr ReduceOp kOps[] = {ReduceOp::all, ReduceOp::any,  ReduceOp::max,
                             ReduceOp::min, ReduceOp::prod, ReduceOp::sum};

const char* name_of(ReduceOp op) { return kReduceInfo[int(op)].name; }

bool is_one_of_extremes(ReduceOp op) { return op == ReduceOp::max || op == ReduceOp::min; }

// An element that totals of many do not overflow on, if it is not a special one.
template <class T>
T element_for(ReduceOp op, bool is_special, std::mt19937& random) {
  if constexpr (std::is_integral_v<T>) {
    if (is_special) return random_element<T>(random, {});
    return op == ReduceOp::all ? T(1) : op == ReduceOp::any ? T(0) : random_element<T>(random, {});
  } else {
    using Float = std::conditional_t<std::is_same_v<T, double>, double, float>;
    std::uniform_real_distribution<Float> near_one(0.8f, 1.25f), around_zero(-4, 4);
    const auto number = [&] {
      return op == ReduceOp::prod  ? near_one(random)
             : op == ReduceOp::any ? 0
                                   : around_zero(random);
    };
    if constexpr (is_complex<T>) {
      return op == ReduceOp::prod ? std::polar(1.0f, around_zero(random))
                                  : T(number(), std::floor(number()));
    } else {
      const Float specials[] = {0, -Float(0), INFINITY, -INFINITY, NAN};
      return T(is_special ? specials[random() % 5] : number());
    }
  }
}

// Adds and multiplies modulo a power of two.
template <class T>
uint64_t integer_total(ReduceOp op, const std::vector<T>& group) {
  uint64_t total = op == ReduceOp::prod;
  for (T x : group) op == ReduceOp::prod ? total *= uint64_t(x) : total += uint64_t(x);
  return total;
}

// Whether `got` is as near as the blocks of a float sum promise: up to 128
// additions of a lane and a few to fold the lanes in the type computed in, the rest in double; then
// rounded to T.
template <class T>
bool is_near_total(ReduceOp op, const std::vector<T>& group, T got) {
  using Float = std::conditional_t<std::is_same_v<T, double>, double, float>;
  long double total = op == ReduceOp::prod, magnitude = 0;
  for (T x : group) {
    const long double value = to_double(x);
    op == ReduceOp::prod ? total *= value : total += value;
    magnitude += std::fabs(value);
  }
  if (std::isnan(total)) return std::isnan(to_double(got));
  const size_t n = group.size();
  const bool is_blocked = std::is_same_v<Float, float> && op == ReduceOp::sum;
  const long double epsilon = std::numeric_limits<Float>::epsilon() / 2;
  const long double bound = (op == ReduceOp::prod ? std::fabs(total) : magnitude) * epsilon *
                            (is_blocked ? std::min<size_t>(n, 136) : n + 2);
  if (std::isinf(total)) return to_double(got) == double(total);
  return to_double(T(Float(total - bound))) <= to_double(got) &&
         to_double(got) <= to_double(T(Float(total + bound)));
}

template <class T>
bool is_near_complex_total(ReduceOp op, const std::vector<T>& group, T got) {
  std::complex<double> total = op == ReduceOp::prod;
  double magnitude = 1;
  for (T x : group) {
    const std::complex<double> value(x.real(), x.imag());
    op == ReduceOp::prod ? total *= value : total += value;
    if (op == ReduceOp::sum) magnitude += std::abs(value);
  }
  if (op == ReduceOp::prod) magnitude = std::abs(total) * double(4 * group.size() + 2);
  return std::abs(std::complex<double>(got.real(), got.imag()) - total) <= magnitude * 5e-6;
}

template <class T>
bool is_less(T x, T y) {
  if constexpr (is_complex<T>) {
    return complex_less({x.real(), x.imag()}, {y.real(), y.imag()});
  } else {
    return x < y;
  }
}

template <class T>
bool is_extreme(ReduceOp op, const std::vector<T>& group, T got) {
  T best = group[0];
  for (T x : group) {
    if (x != x) return got != got;
    if (op == ReduceOp::max ? is_less(best, x) : is_less(x, best)) best = x;
  }
  return got == best;
}

template <class T, class R>
bool is_right(ReduceOp op, const std::vector<T>& group, R got) {
  const auto is_nonzero = [](T x) { return x != T(0); };
  if (op == ReduceOp::all) return bool(got) == std::all_of(group.begin(), group.end(), is_nonzero);
  if (op == ReduceOp::any) return bool(got) == std::any_of(group.begin(), group.end(), is_nonzero);
  if (is_one_of_extremes(op)) return is_extreme<T>(op, group, T(got));
  if constexpr (is_complex<T>) {
    return is_near_complex_total(op, group, T(got));
  } else if constexpr (std::is_integral_v<T>) {
    return got == R(integer_total(op, group));
  } else {
    return is_near_total<T>(op, group, T(got));
  }
}

// Whether a reduction of T may give R.
template <class T, class R>
inline constexpr bool kReducesTo = std::any_of(std::begin(kOps), std::end(kOps), [](ReduceOp op) {
  return reduce_result_dtype(op, dtype_of<T>) == dtype_of<R>;
});

template <class T>
void check_reduce(ReduceOp op, TestArray& in, const std::vector<int>& axes) {
  const View view = in.view();
  const Groups<T> groups = group_elements<T>(in, axes);
  const Dtype result = reduce_result_dtype(op, view.dtype);
  TestArray out(result, groups.shape);
  cpu::reduce(op, view, axes, out.view(), heap_scratch);
  visit(result, [&]<class R>(type_tag<R>) {
    if constexpr (kReducesTo<T, R>) {
      const R* const got = out.view().as<R>();
      for (size_t i = 0; i < groups.elements.size(); ++i) {
        ASSERT_TRUE((is_right<T, R>(op, groups.elements[i], got[i])))
            << name_of(op) << " of " << dtype_name(view.dtype) << " " << in.shape()
            << " without axes " << testing::PrintToString(axes) << " at " << i;
      }
    } else {
      FAIL() << name_of(op) << " of " << dtype_name(view.dtype) << " gives " << dtype_name(result);
    }
  });
}

template <class T>
void check_random_layout(ReduceOp op, const Shape& shape, const std::vector<int>& axes,
                         std::mt19937& random) {
  Shape source = shape;
  const bool is_stretched = random() % 5 == 0;
  for (auto& dim : source) dim = is_stretched && dim > 0 && random() % 2 == 0 ? 1 : dim;
  TestArray in = TestArray::random_layout(dtype_of<T>, source, random);
  // Among many elements a special one would leave no group without.
  const unsigned special_of_1000 = size_of_shape(shape) < 10'000 && random() % 2 == 0 ? 5 : 0;
  std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>> pool(4099);
  for (auto& x : pool) x = element_for<T>(op, random() % 1000 < special_of_1000, random);
  size_t next = random();
  in.for_each<T>([&](T& x, int64_t) { x = T(pool[next++ % pool.size()]); });
  in.broadcast_to(shape);
  check_reduce<T>(op, in, axes);
}

TEST(Reduce, every_operation_and_dtype_in_any_layout_along_any_axes) {
  std::mt19937 random(1);
  for (Dtype dtype : kAllDtypes) {
    visit(dtype, [&]<class T>(type_tag<T>) {
      for (ReduceOp op : kOps) {
        for (int i = 0; i < 60; ++i) {
          const Shape shape = i % 6 == 0 ? random_shape(random, 2, 90) : random_shape(random, 5, 6);
          const std::vector<int> axes = random_axes(random, shape);
          if (is_one_of_extremes(op) && size_of_shape(shape) == 0) continue;
          ASSERT_NO_FATAL_FAILURE(check_random_layout<T>(op, shape, axes, random));
        }
      }
    });
  }
}

// Enough for several threads, and for chunks of one output among them.
TEST(Reduce, large_arrays) {
  std::mt19937 random(2);
  const std::pair<Shape, std::vector<int>> cases[] = {
      {{700'000}, {0}},          {{3, 270'001}, {1}},        {{200'001, 3}, {0}},
      {{500, 1100}, {0}},        {{500, 1100}, {1}},         {{15'000, 40}, {0}},
      {{4, 64, 33, 65}, {1, 3}}, {{64, 33, 300}, {0, 2}},    {{33, 300, 64}, {1}},
      {{20, 3, 9'000}, {0, 1}},  {{30'000, 2, 9}, {0, 1, 2}}};
  for (const auto& [shape, axes] : cases) {
    check_random_layout<float>(ReduceOp::sum, shape, axes, random);
    check_random_layout<float>(ReduceOp::max, shape, axes, random);
    check_random_layout<bfloat16_t>(ReduceOp::sum, shape, axes, random);
    check_random_layout<int8_t>(ReduceOp::sum, shape, axes, random);
    check_random_layout<uint8_t>(ReduceOp::all, shape, axes, random);
    check_random_layout<double>(ReduceOp::sum, shape, axes, random);
    check_random_layout<uint64_t>(ReduceOp::prod, shape, axes, random);
    check_random_layout<complex64_t>(ReduceOp::sum, shape, axes, random);
  }
}

template <class T>
T reduce_all(ReduceOp op, const std::vector<T>& values) {
  TestArray in(dtype_of<T>, {int32_t(values.size())});
  TestArray out(dtype_of<T>, {});
  in.set(values);
  const int axis = 0;
  cpu::reduce(op, in.view(), {&axis, 1}, out.view(), heap_scratch);
  return *out.view().template as<T>();
}

TEST(Reduce, of_nothing) {
  for (ReduceOp op : {ReduceOp::all, ReduceOp::any, ReduceOp::prod, ReduceOp::sum}) {
    for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}, Shape{2, 0, 3}}) {
      for (const std::vector<int>& axes : subsets_of_axes(shape)) {
        TestArray in(float32, shape);
        ASSERT_NO_FATAL_FAILURE(check_reduce<float>(op, in, axes));
      }
    }
  }
}

TEST(Reduce, nan_and_infinity_anywhere) {
  for (ReduceOp op : {ReduceOp::max, ReduceOp::min, ReduceOp::sum, ReduceOp::prod}) {
    for (size_t n : {1, 7, 16, 64, 65, 300, 5000}) {
      for (size_t at : {size_t{0}, n / 3, n - 1}) {
        std::vector<float> x(n, -INFINITY);
        x[at] = NAN;
        EXPECT_TRUE(std::isnan(reduce_all(op, x))) << name_of(op) << " " << n << " at " << at;
      }
    }
  }
  EXPECT_EQ(reduce_all<float>(ReduceOp::max, std::vector<float>(100, -INFINITY)), -INFINITY);
  EXPECT_EQ(reduce_all<float>(ReduceOp::min, std::vector<float>(100, INFINITY)), INFINITY);
  EXPECT_EQ(reduce_all<int32_t>(ReduceOp::max, {INT32_MIN, INT32_MIN}), INT32_MIN);
}

// Running totals in the type of the elements stop growing, or drift.
TEST(Reduce, long_sums_are_accurate) {
  EXPECT_EQ(reduce_all(ReduceOp::sum, std::vector<float>(1 << 25, 1.0f)), 0x1p25f);
  EXPECT_EQ(float(reduce_all(ReduceOp::sum, std::vector<bfloat16_t>(1000, bfloat16_t(1.0f)))),
            1000.0f);
  EXPECT_EQ(float(reduce_all(ReduceOp::sum, std::vector<float16_t>(4096, float16_t(1.0f)))),
            4096.0f);
  const std::vector<float> tenths(10'000'000, 0.1f);
  EXPECT_NEAR(reduce_all(ReduceOp::sum, tenths) / 1e6, 1, 136 * 0x1p-24);

  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(1 << 20);
  double exact = 0, magnitude = 0;
  for (float& element : x) {
    element = normal(random);
    exact += element;
    magnitude += std::fabs(element);
  }
  EXPECT_NEAR(reduce_all(ReduceOp::sum, x), exact, magnitude * 1e-8);
}

// The same, down the columns.
TEST(Reduce, long_columns_are_accurate) {
  TestArray in(float32, {100'000, 64});
  in.for_each<float>([](float& x, int64_t) { x = 0.1f; });
  TestArray out(float32, {64});
  const int axis = 0;
  cpu::reduce(ReduceOp::sum, in.view(), {&axis, 1}, out.view(), heap_scratch);
  for (float sum : out.elements<float>()) EXPECT_NEAR(sum / 1e4, 1, 136 * 0x1p-24);
}

TEST(Reduce, more_elements_than_32_bits_count) {
  TestArray in(uint8, {2, 1, 1});
  in.set(std::vector<uint8_t>{1, 3});
  in.broadcast_to({2, 40'000, 60'000});
  const std::vector<int> all{0, 1, 2};
  TestArray sum(uint32, {}), max(uint8, {});
  cpu::reduce(ReduceOp::sum, in.view(), all, sum.view(), heap_scratch);
  EXPECT_EQ(sum.elements<uint32_t>()[0], uint32_t(9'600'000'000));
  cpu::reduce(ReduceOp::max, in.view(), all, max.view(), heap_scratch);
  EXPECT_EQ(max.elements<uint8_t>()[0], 3);
}

// The first index that no later element exceeds; a NaN counts only in first place.
template <class T>
uint32_t arg_reference(bool is_max, const std::vector<T>& group) {
  size_t best = 0;
  for (size_t i = 1; i < group.size(); ++i) {
    if (is_max ? is_less(group[best], group[i]) : is_less(group[i], group[best])) best = i;
  }
  return uint32_t(best);
}

template <class T>
void check_arg_reduce(bool is_max, TestArray& in, int axis) {
  const Groups<T> groups = group_elements<T>(in, {axis});
  TestArray out(uint32, groups.shape);
  cpu::arg_reduce(is_max, in.view(), axis, out.view());
  for (size_t i = 0; i < groups.elements.size(); ++i) {
    ASSERT_EQ(out.view().as<uint32_t>()[i], arg_reference(is_max, groups.elements[i]))
        << (is_max ? "argmax" : "argmin") << " of " << dtype_name(in.view().dtype) << " "
        << in.shape() << " along " << axis << " at " << i;
  }
}

// Few different elements, so that many are equal.
template <class T>
T element_of_few(std::mt19937& random, int n_different) {
  if constexpr (HalfType<T> || std::is_floating_point_v<T>) {
    if (random() % 50 == 0) return std::numeric_limits<T>::quiet_NaN();
  }
  const int number = pick(random, 0, n_different) - (std::is_unsigned_v<T> ? 0 : n_different / 2);
  if constexpr (is_complex<T>)
    return T(float(number), float(pick(random, 0, 2)));
  else
    return T(float(number));
}

TEST(ArgReduce, every_dtype_in_any_layout_along_any_axis) {
  std::mt19937 random(4);
  for (Dtype dtype : kAllDtypes) {
    visit(dtype, [&]<class T>(type_tag<T>) {
      for (int i = 0; i < 100; ++i) {
        Shape shape = i % 5 == 0 ? random_shape(random, 1, 90) : random_shape(random, 3, 5);
        shape.push_back(pick(random, 1, 100));
        const int axis = pick(random, 0, int(shape.size()) - 1);
        if (shape[axis] == 0) continue;
        TestArray in = TestArray::random_layout(dtype, shape, random);
        const int n_different = i % 2 == 0 ? 5 : 100;
        in.for_each<T>([&](T& x, int64_t) { x = element_of_few<T>(random, n_different); });
        ASSERT_NO_FATAL_FAILURE(check_arg_reduce<T>(i % 2 == 0, in, axis));
      }
    });
  }
}

TEST(ArgReduce, large_arrays) {
  std::mt19937 random(5);
  for (const auto& [shape, axis] : {std::pair{Shape{1'300'000}, 0},
                                    {Shape{4, 300'000}, 1},
                                    {Shape{300'000, 4}, 0},
                                    {Shape{1000, 1100}, 0},
                                    {Shape{1000, 1100}, 1},
                                    {Shape{30, 1000, 40}, 1}}) {
    for (const bool is_max : {true, false}) {
      TestArray floats(float32, shape);
      floats.for_each<float>(
          [&](float& x, int64_t) { x = element_of_few<float>(random, 100'000); });
      check_arg_reduce<float>(is_max, floats, axis);
      TestArray bytes(uint8, shape);
      bytes.for_each<uint8_t>(
          [&](uint8_t& x, int64_t) { x = element_of_few<uint8_t>(random, 200); });
      check_arg_reduce<uint8_t>(is_max, bytes, axis);
    }
  }
}

TEST(ArgReduce, nan_counts_only_in_first_place) {
  for (size_t n : {2, 16, 65, 1000, 700'000}) {
    TestArray in(float32, {int32_t(n)});
    std::vector<float> x(n, 1.0f);
    x[n / 2] = NAN;
    x[n - 1] = 2;
    in.set(x);
    check_arg_reduce<float>(true, in, 0);
    x[0] = NAN;
    in.set(x);
    check_arg_reduce<float>(true, in, 0);
    check_arg_reduce<float>(false, in, 0);
  }
}

}  // namespace
}  // namespace tarn
