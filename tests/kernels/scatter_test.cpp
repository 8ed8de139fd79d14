#include "tarn/kernels/cpu/scatter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tarn/base/failure.h"
#include "tarn/graph/eval.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/scatter.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/index_arrays.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

constexpr ScatterMode kModes[] = {ScatterMode::assign, ScatterMode::add, ScatterMode::prod,
                                  ScatterMode::max, ScatterMode::min};

// Small numbers: whatever the order, nothing is rounded; products stay small too.
template <class T>
void fill_small(TestArray& array, ScatterMode mode, std::mt19937& random) {
  array.for_each<T>([&](T& x, int64_t) {
    const int value = mode == ScatterMode::prod ? pick(random, 0, 9) < 8 : pick(random, 0, 3);
    const int sign = std::is_unsigned_v<T> || pick(random, 0, 1) == 0 ? 1 : -1;
    x = T(float(value * sign));
  });
}

template <class T>
T combine(ScatterMode mode, T x, T y) {
  switch (mode) {
    case ScatterMode::add:
      return T(x + y);
    case ScatterMode::prod:
      return T(x * y);
    case ScatterMode::max:
      return y > x ? y : x;
    case ScatterMode::min:
      return y < x ? y : x;
    case ScatterMode::assign:
      break;
  }
  return y;
}

template <class T>
void expect_scattered(ScatterMode mode, const Shape& shape, std::mt19937& random) {
  RandomSlices slices(random, shape);
  Shape updates_shape = slices.index_shape;
  updates_shape.insert(updates_shape.end(), slices.shape.begin(), slices.shape.end());
  TestArray updates(dtype_of<T>, updates_shape);
  fill_small<T>(updates, mode, random);
  TestArray a = TestArray::random_layout(dtype_of<T>, shape, random);
  fill_small<T>(a, mode, random);

  std::vector<T> want = a.elements<T>();
  const auto values = updates.elements<T>();
  slices.for_each_element([&](int64_t position, const Shape& where) {
    auto&& element = want[position_of(shape, where)];
    element = combine<T>(mode, element, values[position]);
  });

  TestArray to(dtype_of<T>, shape);
  cpu::scatter(mode, a.view(), slices.views(), slices.axes, updates.view(), to.view());
  ASSERT_EQ(to.elements<T>(), want) << shape << updates_shape;
  to.set(a.elements<T>());
  cpu::scatter(mode, to.view(), slices.views(), slices.axes, updates.view(), to.view());
  ASSERT_EQ(to.elements<T>(), want) << "in place";
}

template <class T>
void expect_scattered_along_axis(ScatterMode mode, const Shape& shape, int axis,
                                 std::mt19937& random) {
  Shape index_shape = shape;
  index_shape[axis] = pick(random, 0, 9);
  RandomIndices indices(random, index_shape, shape[axis]);
  TestArray updates(dtype_of<T>, index_shape);
  fill_small<T>(updates, mode, random);
  TestArray a = TestArray::random_layout(dtype_of<T>, shape, random);
  fill_small<T>(a, mode, random);

  std::vector<T> want = a.elements<T>();
  const auto values = updates.elements<T>();
  for_each_index(index_shape, [&](const Shape& at, int64_t position) {
    Shape where = at;
    where[axis] = indices.resolved[position];
    auto&& element = want[position_of(shape, where)];
    element = combine<T>(mode, element, values[position]);
  });
  TestArray to(dtype_of<T>, shape);
  cpu::scatter_axis(mode, a.view(), indices.view(), axis, updates.view(), to.view());
  ASSERT_EQ(to.elements<T>(), want) << shape << index_shape;
}

template <class T>
class Scatter : public testing::Test {};
using Elements =
    testing::Types<bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t,
                   float16_t, float, double, bfloat16_t, complex64_t>;
TYPED_TEST_SUITE(Scatter, Elements);

TYPED_TEST(Scatter, any_layout_axes_slices_and_mode) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    Shape shape = random_shape(random, 4, 6);
    if (i % 8 == 0) shape.push_back(pick(random, 20, 40));  // rows that are not short
    ASSERT_NO_FATAL_FAILURE(expect_scattered<TypeParam>(kModes[i % 5], shape, random));
  }
}

TYPED_TEST(Scatter, along_any_axis) {
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    Shape shape = random_shape(random, 4, 6);
    if (shape.empty()) shape = {3};
    const int axis = pick(random, 0, static_cast<int>(shape.size()) - 1);
    shape[axis] = pick(random, 1, 7);
    const ScatterMode mode = i % 2 == 0 ? ScatterMode::assign : ScatterMode::add;
    ASSERT_NO_FATAL_FAILURE(expect_scattered_along_axis<TypeParam>(mode, shape, axis, random));
  }
}

// What one thread that goes through the updates in their order would leave, bit by bit: groups,
// ranges and tasks must not show.
template <class T>
void expect_in_order(ScatterMode mode, int n_rows, int row_size, int n_updates,
                     std::mt19937& random) {
  TestArray a(dtype_of<T>, {n_rows, row_size});
  TestArray updates(dtype_of<T>, {n_updates, 1, row_size});
  std::normal_distribution<float> normal;
  a.for_each<T>([&](T& x, int64_t) { x = T(normal(random)); });
  updates.for_each<T>([&](T& x, int64_t) { x = T(normal(random)); });
  TestArray indices(int32, {n_updates});
  // Half of them to a few rows.
  indices.for_each<int32_t>([&](int32_t& i, int64_t position) {
    i = position % 2 == 0 ? pick(random, 0, n_rows - 1) : pick(random, 0, std::min(n_rows, 5) - 1);
  });

  std::vector<T> want = a.elements<T>();
  const auto values = updates.elements<T>();
  const auto rows = indices.elements<int32_t>();
  for (int64_t i = 0; i < n_updates; ++i) {
    for (int c = 0; c < row_size; ++c) {
      T& x = want[int64_t{rows[i]} * row_size + c];
      x = combine(mode, x, values[i * row_size + c]);
    }
  }
  TestArray to(dtype_of<T>, a.shape());
  const View views[] = {indices.view()};
  const int axes[] = {0};
  cpu::scatter(mode, a.view(), views, axes, updates.view(), to.view());
  const auto got = to.elements<T>();
  for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]) << i;
}

TEST(ScatterInParallel, updates_of_one_place_keep_their_order) {
  std::mt19937 random(3);
  for (ScatterMode mode : {ScatterMode::assign, ScatterMode::add}) {
    expect_in_order<float>(mode, 300'000, 1, 1'300'000, random);
    expect_in_order<float>(mode, 7, 1, 200'000, random);
    expect_in_order<double>(mode, 5'000, 3, 100'000, random);
    expect_in_order<float>(mode, 2'000, 64, 20'000, random);
    expect_in_order<float>(mode, 3, 100'000, 10, random);
  }
}

// 16-bit sums that would stop growing at 256 or 2048.
template <class T>
void expect_wide_sum(int row_size) {
  constexpr int kUpdates = 65'536;
  TestArray a(dtype_of<T>, {3, row_size});
  a.for_each<T>([](T& x, int64_t) { x = T(0.0f); });
  TestArray updates(dtype_of<T>, {kUpdates, 1, row_size});
  updates.for_each<T>([](T& x, int64_t) { x = T(0.5f); });
  TestArray indices(uint8, {kUpdates});
  indices.for_each<uint8_t>([](uint8_t& i, int64_t position) { i = position % 4 == 0 ? 2 : 1; });
  TestArray to(dtype_of<T>, a.shape());
  const View views[] = {indices.view()};
  const int axes[] = {0};
  cpu::scatter(ScatterMode::add, a.view(), views, axes, updates.view(), to.view());
  const auto got = to.elements<T>();
  EXPECT_EQ(float(got[0]), 0);
  EXPECT_EQ(float(got[row_size]), 24'576);
  EXPECT_EQ(float(got[2 * row_size]), 8'192);
}

TEST(ScatterAdd, halves_accumulate_in_float32) {
  for (int row_size : {1, 20}) {
    expect_wide_sum<float16_t>(row_size);
    expect_wide_sum<bfloat16_t>(row_size);
  }
}

TEST(ScatterMaxMin, NaN_wins) {
  const float nan = std::nanf("");
  for (int row_size : {1, 30}) {
    for (ScatterMode mode : {ScatterMode::max, ScatterMode::min}) {
      TestArray a(float32, {3, row_size});
      a.for_each<float>([&](float& x, int64_t i) { x = i < row_size ? nan : 1; });
      TestArray updates(float32, {3, 1, row_size});
      updates.for_each<float>([&](float& x, int64_t i) { x = i < 2 * row_size ? 2 : nan; });
      TestArray indices(int32, {3});
      indices.set<int32_t>({0, 1, 2});
      const View views[] = {indices.view()};
      const int axes[] = {0};
      cpu::scatter(mode, a.view(), views, axes, updates.view(), a.view());
      EXPECT_TRUE(std::isnan(a.elements<float>()[0]));
      EXPECT_EQ(a.elements<float>()[row_size], mode == ScatterMode::max ? 2 : 1);
      EXPECT_TRUE(std::isnan(a.elements<float>()[2 * row_size]));
    }
  }
}

TEST(ScatterBounds, nothing_is_written_before_all_indices_are_checked) {
  std::mt19937 random(4);
  // The last index is the bad one, in what is sorted at once and beyond it.
  for (int n : {3, 100'000, 1'200'000}) {
    for (int64_t bad : {5L, -6L, INT64_MAX, INT64_MIN}) {
      TestArray a(int32, {5});
      a.fill_random_bytes(random);
      const auto before = a.elements<int32_t>();
      TestArray updates(int32, {n, 1});
      TestArray indices(int64, {n});
      indices.for_each<int64_t>([&](int64_t& i, int64_t at) { i = at == n - 1 ? bad : at % 5; });
      const View views[] = {indices.view()};
      const int axes[] = {0};
      try {
        cpu::scatter(ScatterMode::max, a.view(), views, axes, updates.view(), a.view());
        ADD_FAILURE() << "no failure";
      } catch (const OperationError& e) {
        EXPECT_EQ(e.kind(), FailureKind::index);
        EXPECT_EQ(e.what(), "[scatter_max] index " + std::to_string(bad) +
                                " is out of bounds for axis 0 with size 5");
      }
      EXPECT_EQ(a.elements<int32_t>(), before);
    }
  }
}

template <class T>
std::vector<T> values(array a) {
  a = contiguous(astype(a, dtype_of<T>));
  a.eval();
  return std::vector<T>(a.data<T>(), a.data<T>() + a.size());
}

TEST(ScatterFunctions, modes_and_duplicates) {
  const array a({1, 2, 3, 4});
  const array indices({1, -1, 1}, int8);
  const array updates = reshape(array({5, 6, 7}), {3, 1});
  EXPECT_EQ(values<int>(scatter(a, indices, updates, 0)), (std::vector{1, 7, 3, 6}));
  EXPECT_EQ(values<int>(scatter_add(a, indices, updates, 0)), (std::vector{1, 14, 3, 10}));
  EXPECT_EQ(values<int>(scatter_prod(a, indices, updates, 0)), (std::vector{1, 70, 3, 24}));
  EXPECT_EQ(values<int>(scatter_max(a, indices, updates, 0)), (std::vector{1, 7, 3, 6}));
  EXPECT_EQ(values<int>(scatter_min(a, indices, updates, 0)), (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(values<int>(a), (std::vector{1, 2, 3, 4}));
}

TEST(ScatterFunctions, shapes_and_dtypes) {
  const array a = zeros({3, 4}, int32);
  // Index arrays broadcast, updates are cast.
  const array rows = reshape(array({0, 2}), {2, 1}), cols({1, 3});
  const array updates = reshape(array({1.5f, 2.0f, 3.0f, 4.0f}), {2, 2, 1, 1});
  EXPECT_EQ(values<int>(scatter(a, {rows, cols}, updates, {0, 1})),
            (std::vector{0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4}));
  // Updates may be stretched; slices may overlap.
  EXPECT_EQ(values<int>(scatter_add(a, array({0, 1}), broadcast_to(array(1), {2, 2, 3}), 0)),
            (std::vector{1, 1, 1, 0, 2, 2, 2, 0, 1, 1, 1, 0}));
  EXPECT_EQ(values<int>(scatter(a, std::vector<array>{}, ones({1, 2}), std::vector<int>{})),
            (std::vector{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(values<int>(scatter(a, zeros({0}, int32), ones({0, 1, 4}), 0)),
            std::vector<int>(12, 0));

  const array one({0});
  EXPECT_THROW(scatter(a, one, ones({1, 1}), 0), std::invalid_argument);
  EXPECT_THROW(scatter(a, one, ones({2, 1, 4}), 0), std::invalid_argument);
  EXPECT_THROW(scatter(a, one, ones({1, 1, 5}), 0), std::invalid_argument);
  EXPECT_THROW(scatter(a, one, ones({1, 1, 4}), -1), std::invalid_argument);
  EXPECT_THROW(scatter(a, {one, one}, ones({1, 1, 4}), {0, 0}), std::invalid_argument);
  EXPECT_THROW(scatter(a, array({true}), ones({1, 1, 4}), 0), std::invalid_argument);
  EXPECT_THROW(scatter(a, array({0.0f}), ones({1, 1, 4}), 0), std::invalid_argument);
}

TEST(ScatterFunctions, along_an_axis) {
  const array a = reshape(arange(6), {2, 3});
  const array indices = reshape(array({2, 0, 1, 1}), {2, 2});
  const array updates = reshape(array({10, 20, 30, 40}), {2, 2});
  EXPECT_EQ(values<int>(put_along_axis(a, indices, updates, 1)),
            (std::vector{20, 1, 10, 3, 40, 5}));
  EXPECT_EQ(values<int>(scatter_add_axis(a, indices, updates, -1)),
            (std::vector{20, 1, 12, 3, 74, 5}));
  EXPECT_EQ(values<int>(put_along_axis(a, reshape(array({-1}), {1, 1}), array(9.5f), 1)),
            (std::vector{0, 1, 9, 3, 4, 9}));
  EXPECT_EQ(put_along_axis(zeros({0, 3}), zeros({0, 1}, int32), array(1), 1).shape(),
            (Shape{0, 3}));
  EXPECT_THROW(put_along_axis(a, array({0}), array(1), 1), std::invalid_argument);
  EXPECT_THROW(put_along_axis(a, zeros({2, 1}), array(1), 1), std::invalid_argument);
  EXPECT_THROW(scatter_add_axis(a, zeros({3, 1}, int32), array(1), 1), std::invalid_argument);
}

TEST(ScatterFunctions, an_index_out_of_bounds_is_a_failure_of_its_node_alone) {
  const array a = reshape(arange(6), {2, 3});
  const array bad({2});
  const std::pair<array, std::string> cases[] = {
      {scatter(a, bad, ones({1, 1, 3}), 0),
       "[scatter] index 2 is out of bounds for axis 0 with size 2"},
      {scatter_add(a, {array({0}), array({-4})}, ones({1, 1, 1}), {0, 1}),
       "[scatter_add] index -4 is out of bounds for axis 1 with size 3"},
      {scatter_min(a, array({3}), ones({1, 2, 1}), 1),
       "[scatter_min] index 3 is out of bounds for axis 1 with size 3"},
      {scatter_max(a, array({2}), ones({1, 2, 2}), 1),
       "[scatter_max] index 2, with a slice of 2, is out of bounds for axis 1 with size 3"},
      {put_along_axis(a, reshape(array({0, 3}), {2, 1}), array(1), 1),
       "[put_along_axis] index 3 is out of bounds for axis 1 with size 3"},
      {scatter_add_axis(a, reshape(bad, {1, 1}), array(1), 0),
       "[scatter_add_axis] index 2 is out of bounds for axis 0 with size 2"}};
  for (auto [broken, message] : cases) {
    EXPECT_THROW(broken.eval(), IndexError) << message;
    ASSERT_NE(broken.failure(), nullptr);
    EXPECT_EQ(broken.failure()->message, message);
    EXPECT_EQ(broken.failure()->op, message.substr(1, message.find(']') - 1));
    EXPECT_EQ(values<int>(a), (std::vector{0, 1, 2, 3, 4, 5}));
  }
}

}  // namespace
}  // namespace tarn
