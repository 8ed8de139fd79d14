#include "tarn/kernels/cpu/slice_update.h"

#include <gtest/gtest.h>

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

template <class Word>
class SliceUpdate : public testing::Test {};
using Words = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(SliceUpdate, Words);

TYPED_TEST(SliceUpdate, any_layout_and_bounds) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    const Shape shape = random_shape(random, 4, 7);
    Shape start = shape, stop = shape, steps = shape;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      start[axis] = pick(random, -8, 8);
      stop[axis] = pick(random, -8, 8);
      steps[axis] = pick(random, 0, 3) == 0 ? -pick(random, 1, 2) : pick(random, 1, 3);
    }
    const ResolvedSlice bounds = resolve_slice(shape, start, stop, steps);
    TestArray a = TestArray::random_layout(dtype_of<TypeParam>, shape, random);
    a.fill_random_bytes(random);
    TestArray update = TestArray::random_layout(dtype_of<TypeParam>, bounds.shape, random);
    update.fill_random_bytes(random);

    auto want = a.elements<TypeParam>();
    const auto values = update.elements<TypeParam>();
    for_each_index(bounds.shape, [&](const Shape& at, int64_t position) {
      Shape where = at;
      for (size_t k = 0; k < at.size(); ++k) where[k] = bounds.start[k] + at[k] * bounds.steps[k];
      want[position_of(shape, where)] = values[position];
    });
    TestArray to(dtype_of<TypeParam>, shape);
    cpu::slice_update(a.view(), update.view(), bounds, to.view());
    ASSERT_EQ(to.elements<TypeParam>(), want) << shape << start << stop << steps;
    to.set(a.elements<TypeParam>());
    cpu::slice_update(to.view(), update.view(), bounds, to.view());
    ASSERT_EQ(to.elements<TypeParam>(), want) << "in place";
  }
}

std::vector<int> values(array a) {
  a = contiguous(astype(a, int32));
  a.eval();
  return std::vector<int>(a.data<int>(), a.data<int>() + a.size());
}

TEST(SliceUpdateFunctions, replace_and_combine) {
  const array a = reshape(arange(1, 7), {2, 3});
  const Shape from{0, 0}, to{2, 3}, strides{1, 2};
  const array update({2.5f, 9.0f});
  EXPECT_EQ(values(slice_update(a, update, from, to, strides)), (std::vector{2, 2, 9, 2, 5, 9}));
  EXPECT_EQ(values(slice_update(a, array(0), Shape{1, 1}, Shape{2, 3})),
            (std::vector{1, 2, 3, 4, 0, 0}));
  // Backwards: the first element of the update goes to the last place.
  EXPECT_EQ(values(slice_update(a, array({7, 8, 9}), {1, 2}, {0, -4}, {-1, -1})),
            (std::vector{1, 2, 3, 9, 8, 7}));
  EXPECT_EQ(values(slice_update(a, array({7, 8, 9}), {1, 2}, {-3, -4}, {-1, -1})),
            (std::vector{9, 8, 7, 9, 8, 7}));
  EXPECT_EQ(values(slice_update(a, array(5), from, to)), std::vector(6, 5));
  EXPECT_EQ(values(slice_update(a, array(5), Shape{1, 2}, Shape{1, 2})), values(a));

  EXPECT_EQ(values(slice_update_add(a, update, from, to, strides)),
            (std::vector{3, 2, 12, 6, 5, 15}));
  EXPECT_EQ(values(slice_update_prod(a, update, from, to, strides)),
            (std::vector{2, 2, 27, 8, 5, 54}));
  EXPECT_EQ(values(slice_update_max(a, update, from, to, strides)),
            (std::vector{2, 2, 9, 4, 5, 9}));
  EXPECT_EQ(values(slice_update_min(a, update, from, to, strides)),
            (std::vector{1, 2, 3, 2, 5, 6}));
  EXPECT_EQ(values(slice_update_add(a, array(1), from, to)), (std::vector{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(slice_update_add(astype(a, bool_), array(1), from, to).dtype(), bool_);

  EXPECT_THROW(slice_update(a, update, {0}, {1}, {1}), std::invalid_argument);
  EXPECT_THROW(slice_update(a, update, from, to, {0, 1}), std::invalid_argument);
  EXPECT_THROW(slice_update(a, array({1, 2}), from, to), std::invalid_argument);
  EXPECT_THROW(slice_update_add(a, array({1, 2}), from, to), std::invalid_argument);
}

TEST(SliceUpdateFunctions, at_a_start_that_is_data) {
  const array a = reshape(arange(6), {2, 3});
  EXPECT_EQ(values(slice_update(a, reshape(array({8, 9}), {1, 2}), array({1, -2}), {1, 0})),
            (std::vector{0, 8, 9, 3, 4, 5}));
  // An axis that the update lacks is a whole one, or of size one where it starts at an index.
  EXPECT_EQ(values(slice_update(a, array({8, 9}), array({1}), {1})),
            (std::vector{0, 8, 9, 3, 8, 9}));
  EXPECT_EQ(values(slice_update(a, array({8, 9}), array({1}), {0})),
            (std::vector{0, 1, 2, 8, 9, 5}));
  array broken = slice_update(a, reshape(array({8, 9}), {1, 2}), array({0, 2}), {0, 1});
  EXPECT_THROW(broken.eval(), IndexError);
  EXPECT_EQ(broken.failure()->message,
            "[slice_update] index 2, with a slice of 2, is out of bounds for axis 1 with size 3");
  EXPECT_EQ(broken.failure()->op, "slice_update");
  EXPECT_EQ(values(a), (std::vector{0, 1, 2, 3, 4, 5}));
  EXPECT_THROW(slice_update(a, zeros({3, 1}), array({0}), {0}), std::invalid_argument);
  EXPECT_THROW(slice_update(a, array(1), array({0, 0}), {0}), std::invalid_argument);
  EXPECT_THROW(slice_update(a, array(1), array({0.5f}), {0}), std::invalid_argument);
}

TEST(SliceUpdateBounds, a_start_out_of_bounds_leaves_memory_alone) {
  TestArray a(int32, {3});
  a.set<int32_t>({1, 2, 3});
  TestArray update(int32, {2});
  TestArray start(int32, {1});
  start.set<int32_t>({2});
  const int axes[] = {0};
  EXPECT_THROW(cpu::dynamic_slice_update(a.view(), update.view(), start.view(), axes, a.view()),
               OperationError);
  EXPECT_EQ(a.elements<int32_t>(), (std::vector{1, 2, 3}));
}

}  // namespace
}  // namespace tarn
