#include "tarn/kernels/cpu/indexing.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
#include "tarn/graph/eval.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/indexing.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/index_arrays.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

// Word stands for any dtype of its size.
template <class Word, class Index>
void expect_taken(std::mt19937& random, Dtype dtype, const Shape& shape, int axis,
                  const Shape& index_shape) {
  auto from = TestArray::random_layout(dtype, shape, random);
  from.fill_random_bytes(random);
  auto indices = TestArray::random_layout(dtype_of<Index>, index_shape, random);
  const int dim = shape[axis];
  const int low = std::is_signed_v<Index> ? -dim : 0;
  indices.template for_each<Index>(
      [&](Index& i, int64_t) { i = Index(pick(random, low, dim - 1)); });

  Shape to_shape(shape.begin(), shape.begin() + axis);
  to_shape.insert(to_shape.end(), index_shape.begin(), index_shape.end());
  to_shape.insert(to_shape.end(), shape.begin() + axis + 1, shape.end());
  TestArray to(dtype, to_shape);
  cpu::take(from.view(), indices.view(), axis, to.view());

  const auto source = from.elements<Word>();
  const auto positions = indices.template elements<Index>();
  int64_t inner = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  const int64_t outer = size_of_shape(shape) / std::max<int64_t>(1, inner * dim);
  std::vector<Word> want;
  for (int64_t o = 0; o < outer; ++o) {
    for (Index position : positions) {
      const int64_t resolved = int64_t(position) + (position < Index{0} ? dim : 0);
      const auto row = source.begin() + (o * dim + resolved) * inner;
      want.insert(want.end(), row, row + inner);
    }
  }
  ASSERT_EQ(to.elements<Word>(), want);
}

template <class Index>
class Take : public testing::Test {};
using Indices =
    testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(Take, Indices);

TYPED_TEST(Take, any_layout_dtype_and_axis) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    Shape shape = random_shape(random, 4, 6);
    if (shape.empty()) shape = {4};
    const int axis = pick(random, 0, static_cast<int>(shape.size()) - 1);
    shape[axis] = pick(random, 1, 7);
    const Shape index_shape = random_shape(random, 3, 5);
    const Dtype dtype = kAllDtypes[pick(random, 0, kDtypeCount - 1)];
    const auto expect = [&]<class Word>(Word) {
      expect_taken<Word, TypeParam>(random, dtype, shape, axis, index_shape);
    };
    switch (dtype.size()) {
      case 1:
        expect(uint8_t{});
        break;
      case 2:
        expect(uint16_t{});
        break;
      case 4:
        expect(uint32_t{});
        break;
      case 8:
        expect(uint64_t{});
        break;
    }
    if (this->HasFatalFailure()) return;
  }
}

TEST(TakeInParallel, elements_and_rows) {
  std::mt19937 random(2);
  expect_taken<uint32_t, int32_t>(random, float32, {1000}, 0, {300'000});
  expect_taken<uint16_t, uint32_t>(random, bfloat16, {500, 64}, 0, {9000});
  expect_taken<uint64_t, int64_t>(random, complex64, {300, 40, 3}, 1, {10, 11});
  expect_taken<uint8_t, int64_t>(random, bool_, {3000, 40}, 1, {40});
}

std::string failure_of_take(const Shape& shape, const std::vector<int64_t>& indices, int axis) {
  TestArray from(float32, shape);
  TestArray positions(int64, {static_cast<int>(indices.size())});
  positions.set(indices);
  Shape to_shape = shape;
  to_shape[axis] = static_cast<int>(indices.size());
  TestArray to(float32, to_shape);
  try {
    cpu::take(from.view(), positions.view(), axis, to.view());
  } catch (const OperationError& e) {
    EXPECT_EQ(e.kind(), FailureKind::index);
    return e.what();
  }
  return "none";
}

TEST(TakeBounds, every_index_is_checked) {
  EXPECT_EQ(failure_of_take({5}, {0, 7, 9}, 0),
            "[take] index 7 is out of bounds for axis 0 with size 5");
  EXPECT_EQ(failure_of_take({2, 5}, {-6}, 1),
            "[take] index -6 is out of bounds for axis 1 with size 5");
  EXPECT_EQ(failure_of_take({2, 5}, {-5, 4}, 1), "none");
  EXPECT_EQ(failure_of_take({0}, {0}, 0), "[take] index 0 is out of bounds for axis 0 with size 0");
  EXPECT_EQ(failure_of_take({5}, {INT64_MIN}, 0),
            "[take] index -9223372036854775808 is out of bounds for axis 0 with size 5");
}

TEST(TakeBounds, a_large_unsigned_index_does_not_wrap) {
  TestArray from(float32, {5});
  TestArray indices(uint64, {1});
  indices.set<uint64_t>({UINT64_MAX});
  TestArray to(float32, {1});
  EXPECT_THROW(cpu::take(from.view(), indices.view(), 0, to.view()), OperationError);
}

TEST(TakeBounds, the_first_bad_index_is_reported_whatever_the_order_of_tasks) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<int64_t> indices(200'000, 1);
    int64_t first = 0;
    for (int i = 0; i < 5; ++i) {
      const int at = pick(random, 0, 199'999);
      indices[at] = 1000 + at;
    }
    for (int64_t i : indices) {
      if (i != 1) {
        first = i;
        break;
      }
    }
    EXPECT_EQ(failure_of_take({3, 4}, indices, 1),
              "[take] index " + std::to_string(first) + " is out of bounds for axis 1 with size 4");
  }
}

// Calls f(a word of the size of the dtype's elements).
template <class F>
void with_word(Dtype dtype, F f) {
  switch (dtype.size()) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
  }
}

TEST(TakeAlongAxis, any_layout_dtype_and_axis) {
  std::mt19937 random(4);
  for (int i = 0; i < 500; ++i) {
    Shape shape = random_shape(random, 4, 6);
    if (shape.empty()) shape = {3};
    const int axis = pick(random, 0, static_cast<int>(shape.size()) - 1);
    shape[axis] = pick(random, 1, 7);
    const Dtype dtype = kAllDtypes[pick(random, 0, kDtypeCount - 1)];
    auto from = TestArray::random_layout(dtype, shape, random);
    from.fill_random_bytes(random);
    Shape taken = shape;
    taken[axis] = pick(random, 0, 9);
    RandomIndices indices(random, taken, shape[axis]);
    TestArray to(dtype, taken);
    cpu::take_along_axis(from.view(), indices.view(), axis, to.view());

    with_word(dtype, [&]<class Word>(Word) {
      const auto source = from.elements<Word>();
      const auto got = to.elements<Word>();
      for_each_index(taken, [&](const Shape& at, int64_t position) {
        Shape where = at;
        where[axis] = indices.resolved[position];
        ASSERT_EQ(got[position], source[position_of(shape, where)]) << shape << taken << axis;
      });
    });
  }
}

TEST(Gather, any_layout_dtype_axes_and_slices) {
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    const Shape shape = random_shape(random, 4, 6);
    const Dtype dtype = kAllDtypes[pick(random, 0, kDtypeCount - 1)];
    auto from = TestArray::random_layout(dtype, shape, random);
    from.fill_random_bytes(random);
    RandomSlices slices(random, shape);
    Shape to_shape = slices.index_shape;
    to_shape.insert(to_shape.end(), slices.shape.begin(), slices.shape.end());
    TestArray to(dtype, to_shape);
    cpu::gather(from.view(), slices.views(), slices.axes, to.view());

    with_word(dtype, [&]<class Word>(Word) {
      const auto source = from.elements<Word>();
      const auto got = to.elements<Word>();
      slices.for_each_element([&](int64_t position, const Shape& where) {
        ASSERT_EQ(got[position], source[position_of(shape, where)]) << shape << to_shape;
      });
    });
  }
}

// Rows of which each keeps all threads busy, and rows that are streamed.
TEST(Gather, large_rows) {
  std::mt19937 random(6);
  for (const Shape& slice : {Shape{1, 600, 512}, Shape{2, 3, 512}, Shape{1, 1, 70}}) {
    auto from = TestArray::random_layout(float32, {9, 600, 512}, random);
    from.fill_random_bytes(random);
    const int n = slice[1] == 600 ? 3 : 20'000;
    TestArray indices(int64, {n});
    indices.for_each<int64_t>([&](int64_t& x, int64_t) { x = pick(random, -9, 9 - slice[0]); });
    indices.for_each<int64_t>([&](int64_t& x, int64_t) { x = x > -slice[0] && x < 0 ? 0 : x; });
    TestArray to(float32, {n, slice[0], slice[1], slice[2]});
    const View views[] = {indices.view()};
    const int axes[] = {0};
    cpu::gather(from.view(), views, axes, to.view());

    const auto source = from.elements<uint32_t>();
    const auto got = to.elements<uint32_t>();
    const auto starts = indices.elements<int64_t>();
    const int64_t row = int64_t{slice[0]} * slice[1] * slice[2];
    for (int64_t i = 0; i < n; i += n < 100 ? 1 : 97) {
      const int64_t start = (starts[i] + (starts[i] < 0 ? 9 : 0)) * 600 * 512;
      for (int64_t e = 0; e < row; ++e) {
        const int64_t plane = e / (slice[1] * slice[2]), r = e / slice[2] % slice[1];
        ASSERT_EQ(got[i * row + e], source[start + (plane * 600 + r) * 512 + e % slice[2]]);
      }
    }
  }
}

template <class T>
std::vector<T> values(array a) {
  a = contiguous(astype(a, dtype_of<T>));
  a.eval();
  return std::vector<T>(a.data<T>(), a.data<T>() + a.size());
}

FailurePtr failure_of(array a) {
  EXPECT_THROW(a.eval(), IndexError);
  return a.failure();
}

TEST(IndexingFunctions, take) {
  const array a = reshape(arange(12), {3, 4});
  EXPECT_EQ(values<int>(take(a, array({2, -3}), 0)), (std::vector{8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_EQ(take(a, reshape(array({0, 1}), {2, 1}), 1).shape(), (Shape{3, 2, 1}));
  EXPECT_EQ(values<int>(take(a, array({-1, 5}))), (std::vector{11, 5}));
  EXPECT_EQ(values<int>(take(a, -1, 1)), (std::vector{3, 7, 11}));
  EXPECT_EQ(take(a, -1, 1).shape(), (Shape{3}));
  EXPECT_EQ(values<int>(take(a, 6)), (std::vector{6}));
  EXPECT_EQ(take(a, 6).shape(), Shape{});
  EXPECT_EQ(take(zeros({3, 0}), array({1, 1}), 0).shape(), (Shape{2, 0}));
  EXPECT_EQ(take(zeros({0, 2}), zeros({0}, int32), 0).shape(), (Shape{0, 2}));

  EXPECT_THROW(take(a, array({0.5f}), 0), std::invalid_argument);
  EXPECT_THROW(take(a, array({true}), 0), std::invalid_argument);
  EXPECT_THROW(take(a, array({0}), 2), std::invalid_argument);
  EXPECT_THROW(take(zeros({0, 2}), array({0}), 0), std::invalid_argument);
}

TEST(IndexingFunctions, take_along_axis) {
  const array a = reshape(arange(6), {2, 3});
  EXPECT_EQ(values<int>(take_along_axis(a, reshape(array({2, -3, 1, 1}), {2, 2}), 1)),
            (std::vector{2, 0, 4, 4}));
  // Other axes of size one stretch: of the indices, then of the array.
  EXPECT_EQ(values<int>(take_along_axis(a, reshape(array({1, 0}), {1, 2}), -1)),
            (std::vector{1, 0, 4, 3}));
  const array row = reshape(arange(3), {1, 3});
  EXPECT_EQ(values<int>(take_along_axis(row, reshape(array({2, 1}), {2, 1}), 1)),
            (std::vector{2, 1}));
  EXPECT_THROW(take_along_axis(a, array({0, 1}), 1), std::invalid_argument);
  EXPECT_THROW(take_along_axis(a, zeros({3, 1}, int32), 1), std::invalid_argument);
  EXPECT_THROW(take_along_axis(a, zeros({2, 1}), 1), std::invalid_argument);
}

TEST(IndexingFunctions, gather) {
  const array a = reshape(arange(12), {3, 4});
  const array windows = gather(a, {array({0, -2}), array({1})}, {0, 1}, {2, 3});
  EXPECT_EQ(windows.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(values<int>(windows), (std::vector{1, 2, 3, 5, 6, 7, 5, 6, 7, 9, 10, 11}));
  EXPECT_EQ(values<int>(gather(a, array({2, 0}, uint8), 1, {3, 1})),
            (std::vector{2, 6, 10, 0, 4, 8}));
  EXPECT_EQ(values<int>(gather(a, std::vector<array>{}, {}, {1, 2})), (std::vector{0, 1}));
  EXPECT_EQ(gather(zeros({0, 2}), zeros({0}, int32), 0, {1, 2}).shape(), (Shape{0, 1, 2}));

  const array one({0});
  EXPECT_THROW(gather(a, {one, one}, {0, 0}, {1, 1}), std::invalid_argument);
  EXPECT_THROW(gather(a, {one}, {0, 1}, {1, 1}), std::invalid_argument);
  EXPECT_THROW(gather(a, one, -1, {1, 1}), std::invalid_argument);
  EXPECT_THROW(gather(a, one, 2, {1, 1}), std::invalid_argument);
  EXPECT_THROW(gather(a, one, 0, {1, 5}), std::invalid_argument);
  EXPECT_THROW(gather(a, one, 0, {1}), std::invalid_argument);
  EXPECT_THROW(gather(a, astype(one, bool_), 0, {1, 1}), std::invalid_argument);
  EXPECT_THROW(gather(a, astype(one, float32), 0, {1, 1}), std::invalid_argument);
}

TEST(IndexingFunctions, slice_at_a_start_that_is_data) {
  const array a = reshape(arange(12), {3, 4});
  EXPECT_EQ(values<int>(slice(a, array({2, 1}), {-1, 0}, {2, 2})), (std::vector{6, 7, 10, 11}));
  EXPECT_EQ(values<int>(slice(a, array(-1), {0}, {1, 3})), (std::vector{8, 9, 10}));
  EXPECT_EQ(values<int>(slice(transpose(a), array({1}, uint64), {0}, {2, 3})),
            (std::vector{1, 5, 9, 2, 6, 10}));
  EXPECT_EQ(values<int>(slice(a, {0, 1}, {3, 4}, {2, 2})), (std::vector{1, 3, 9, 11}));
  EXPECT_THROW(slice(a, array({0}), {0, 1}, {1, 1}), std::invalid_argument);
  EXPECT_THROW(slice(a, array({0, 0}), {1, 1}, {1, 1}), std::invalid_argument);
  EXPECT_THROW(slice(a, array({0}), {0}, {4, 1}), std::invalid_argument);
  EXPECT_THROW(slice(a, array({0.0f}), {0}, {1, 1}), std::invalid_argument);
}

TEST(IndexingFunctions, an_index_out_of_bounds_is_a_failure_of_its_node_alone) {
  const array a = reshape(arange(12), {3, 4});
  const array three({3});
  const std::pair<array, std::string> cases[] = {
      {take(a, three, 0), "[take] index 3 is out of bounds for axis 0 with size 3"},
      {take(a, -5, 1), "[take] index -5 is out of bounds for axis 1 with size 4"},
      {take(a, 12), "[take] index 12 is out of bounds for axis 0 with size 12"},
      {take_along_axis(a, reshape(array({0, 1, -4}), {3, 1}), 0),
       "[take_along_axis] index -4 is out of bounds for axis 0 with size 3"},
      {gather(a, {array({0, 1}), array({0, 4})}, {0, 1}, {1, 1}),
       "[gather] index 4 is out of bounds for axis 1 with size 4"},
      {gather(a, array({0, 2}), 0, {2, 1}),
       "[gather] index 2, with a slice of 2, is out of bounds for axis 0 with size 3"},
      {gather(a, three, 0, {1, 0}), "[gather] index 3 is out of bounds for axis 0 with size 3"},
      {slice(a, array({0, 3}), {0, 1}, {1, 2}),
       "[slice] index 3, with a slice of 2, is out of bounds for axis 1 with size 4"}};
  for (const auto& [broken, message] : cases) {
    array sound = take(a, array({0}), 0);
    const FailurePtr failure = failure_of(broken);
    EXPECT_EQ(failure->kind, FailureKind::index);
    EXPECT_EQ(failure->message, message);
    EXPECT_EQ(failure->op, message.substr(1, message.find(']') - 1));
    EXPECT_EQ(values<int>(sound), (std::vector{0, 1, 2, 3}));
  }
}

}  // namespace
}  // namespace tarn
