#include "tarn/kernels/cpu/masked_scatter.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
#include "tarn/graph/eval.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/scatter.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

// Word stands for any dtype of its size.
template <class Word>
void expect_masked(std::mt19937& random, const Shape& shape, int mask_ndim, int percent) {
  const Dtype dtype = dtype_of<Word>;
  auto a = TestArray::random_layout(dtype, shape, random);
  a.fill_random_bytes(random);
  TestArray mask(bool_, Shape(shape.begin(), shape.begin() + mask_ndim));
  int n_true = 0;
  mask.for_each<bool>([&](bool& x, int64_t) { n_true += x = pick(random, 0, 99) < percent; });
  Shape source_shape(shape.begin() + mask_ndim, shape.end());
  source_shape.insert(source_shape.begin(), n_true + pick(random, 0, 2));
  TestArray source(dtype, source_shape);
  source.fill_random_bytes(random);

  std::vector<Word> want = a.elements<Word>();
  const auto is_true = mask.elements<bool>();
  const auto values = source.elements<Word>();
  const size_t row = is_true.empty() ? 0 : want.size() / is_true.size();
  size_t next = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (is_true[i / row]) want[i] = values[next++];
  }

  TestArray to(dtype, shape);
  cpu::masked_scatter(a.view(), mask.view(), source.view(), to.view());
  ASSERT_EQ(to.elements<Word>(), want) << shape << mask_ndim;
  to.set(a.elements<Word>());
  cpu::masked_scatter(to.view(), mask.view(), source.view(), to.view());
  ASSERT_EQ(to.elements<Word>(), want) << "in place";
}

template <class Word>
class MaskedScatter : public testing::Test {};
using Words = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(MaskedScatter, Words);

TYPED_TEST(MaskedScatter, any_layout_and_mask) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    const Shape shape = random_shape(random, 4, i % 4 == 0 ? 20 : 5);
    const int mask_ndim = pick(random, 0, static_cast<int>(shape.size()));
    const int percent = std::array{0, 20, 50, 100}[i % 4];
    ASSERT_NO_FATAL_FAILURE(expect_masked<TypeParam>(random, shape, mask_ndim, percent));
  }
}

TYPED_TEST(MaskedScatter, large) {
  std::mt19937 random(2);
  ASSERT_NO_FATAL_FAILURE(expect_masked<TypeParam>(random, {500, 1001}, 2, 50));
  ASSERT_NO_FATAL_FAILURE(expect_masked<TypeParam>(random, {500, 1001}, 1, 50));
  ASSERT_NO_FATAL_FAILURE(expect_masked<TypeParam>(random, {2, 300'001}, 1, 50));
}

TEST(MaskedScatterBounds, a_short_source_fails_before_anything_is_written) {
  TestArray a(int32, {4});
  a.set<int32_t>({1, 2, 3, 4});
  TestArray mask(bool_, {4});
  mask.set<bool>({true, false, true, true});
  TestArray source(int32, {2});
  try {
    cpu::masked_scatter(a.view(), mask.view(), source.view(), a.view());
    ADD_FAILURE() << "no failure";
  } catch (const OperationError& e) {
    EXPECT_EQ(e.kind(), FailureKind::index);
    EXPECT_STREQ(e.what(),
                 "[masked_scatter] index 2 is out of bounds for axis 0 of the source with size 2: "
                 "the mask has 3 true elements");
  }
  EXPECT_EQ(a.elements<int32_t>(), (std::vector{1, 2, 3, 4}));
}

std::vector<int> values(array a) {
  a = contiguous(astype(a, int32));
  a.eval();
  return std::vector<int>(a.data<int>(), a.data<int>() + a.size());
}

TEST(MaskedScatterFunction, shapes_and_dtypes) {
  const array a = reshape(arange(6), {3, 2});
  const array rows({true, false, true});
  EXPECT_EQ(values(masked_scatter(a, rows, array({9.5f}))), (std::vector{9, 9, 2, 3, 9, 9}));
  EXPECT_EQ(values(masked_scatter(a, rows, array({7, 8}))), (std::vector{7, 8, 2, 3, 7, 8}));
  EXPECT_EQ(values(masked_scatter(a, rows, reshape(array({7, 8}), {2, 1}))),
            (std::vector{7, 7, 2, 3, 8, 8}));
  EXPECT_EQ(values(masked_scatter(a, a > array(2), array({7, 8, 9}))),
            (std::vector{0, 1, 2, 7, 8, 9}));
  EXPECT_EQ(values(masked_scatter(a, array(true), array(7))), std::vector(6, 7));
  EXPECT_EQ(values(masked_scatter(transpose(a), zeros({2, 3}, bool_), array({7}))),
            (std::vector{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(masked_scatter(zeros({0, 2}), zeros({0}, bool_), zeros({0, 2})).shape(), (Shape{0, 2}));

  EXPECT_THROW(masked_scatter(a, array({1, 0, 1}), array(1)), std::invalid_argument);
  EXPECT_THROW(masked_scatter(a, array({true, false}), array(1)), std::invalid_argument);
  EXPECT_THROW(masked_scatter(a, zeros({3, 2, 1}, bool_), array(1)), std::invalid_argument);
  EXPECT_THROW(masked_scatter(a, rows, zeros({1, 1, 2})), std::invalid_argument);
  EXPECT_THROW(masked_scatter(a, rows, zeros({2, 3})), std::invalid_argument);
}

TEST(MaskedScatterFunction, a_short_source_is_a_failure_of_the_node) {
  const array a = arange(4);
  array broken = masked_scatter(a, a > array(0), array({1, 2}));
  EXPECT_THROW(broken.eval(), IndexError);
  EXPECT_EQ(broken.failure()->op, "masked_scatter");
  EXPECT_EQ(values(a), (std::vector{0, 1, 2, 3}));
}

}  // namespace
}  // namespace tarn
