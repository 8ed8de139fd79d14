#include "tarn/kernels/cpu/indexing.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
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

}  // namespace
}  // namespace tarn
