// Functions composed of products.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tarn/base/failure.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/indexing.h"
#include "tarn/ops/functions/matmul.h"
#include "tarn/ops/functions/reduce.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using testing::ElementsAre;

// Small integers, which every dtype holds, and so do sums of their products.
array random_operand(std::mt19937& random, const Shape& shape, Dtype dtype) {
  std::vector<int> values(static_cast<size_t>(size_of_shape(shape)));
  for (int& x : values) x = pick(random, -2, 2);
  return array(values.begin(), shape, dtype);
}

TEST(MatmulFunction, vectors_and_batches) {
  std::mt19937 random(1);
  struct Case {
    Shape a, b, product;
  };
  for (const Case& c : {Case{{3}, {3}, {}}, Case{{3}, {3, 4}, {4}}, Case{{2, 3}, {3}, {2}},
                        Case{{2, 3}, {3, 4}, {2, 4}}, Case{{3}, {5, 3, 4}, {5, 4}},
                        Case{{5, 2, 3}, {3}, {5, 2}}, Case{{5, 1, 2, 3}, {6, 3, 4}, {5, 6, 2, 4}},
                        Case{{2, 0}, {0, 3}, {2, 3}}, Case{{0, 2}, {2, 3}, {0, 3}}}) {
    array a = random_operand(random, c.a, float32), b = random_operand(random, c.b, float64);
    array product = matmul(a, b);
    EXPECT_EQ(product.shape(), c.product);
    EXPECT_EQ(product.dtype(), float64);
    // The same by elements.
    array rows = a.ndim() == 1 ? expand_dims(a, 0) : a;
    array columns = b.ndim() == 1 ? expand_dims(b, 1) : b;
    array sums = sum(multiply(expand_dims(rows, -1), expand_dims(columns, -3)), -2);
    EXPECT_EQ(values_of(product), values_of(sums));
  }
  EXPECT_THROW(matmul(array(1.0f), zeros({2})), std::invalid_argument);
  EXPECT_THROW(matmul(zeros({2, 3}), zeros({2, 3})), std::invalid_argument);
  EXPECT_THROW(matmul(zeros({2, 2, 3}), zeros({3, 3, 2})), std::invalid_argument);
  EXPECT_THROW(matmul(zeros({2, 2}, int32), zeros({2, 2}, int32)), std::invalid_argument);
}

TEST(Addmm, scales_and_adds) {
  std::mt19937 random(2);
  for (const Dtype dtype : {float32, float64, float16, bfloat16, complex64}) {
    array a = random_operand(random, {3, 5}, dtype), b = random_operand(random, {5, 4}, dtype);
    for (const Shape& shape : {Shape{3, 4}, Shape{4}, Shape{3, 1}, Shape{}}) {
      array c = random_operand(random, shape, dtype);
      array got = addmm(c, a, b, 2.0f, 0.5f);
      EXPECT_EQ(got.dtype(), dtype);
      array want = add(multiply(matmul(a, b), array(2.0f, dtype)), multiply(c, array(0.5f, dtype)));
      EXPECT_EQ(values_of(got), values_of(want));
      EXPECT_EQ(values_of(addmm(c, a, b)), values_of(add(matmul(a, b), c)));
    }
  }
  EXPECT_THAT(values_of(addmm(ones({2}), zeros({1, 0}), zeros({0, 2}), 1.0f, 3.0f)),
              ElementsAre(3, 3));
  EXPECT_THROW(addmm(zeros({3}), zeros({2, 2}), zeros({2, 2})), std::invalid_argument);
  EXPECT_THROW(addmm(zeros({2, 2, 2}), zeros({2, 2}), zeros({2, 2})), std::invalid_argument);
  EXPECT_THROW(addmm(array(1), zeros({2, 2}, int32), zeros({2, 2}, int32)), std::invalid_argument);
}

TEST(Tensordot, sums_over_pairs_of_axes) {
  std::mt19937 random(3);
  array a = random_operand(random, {3, 4, 5}, float32);
  array b = random_operand(random, {4, 3, 2}, float32);
  array product = tensordot(a, b, {1, 0}, {0, 1});
  EXPECT_EQ(product.shape(), (Shape{5, 2}));
  array flat_a = reshape(transpose(a, {2, 1, 0}), {5, 12});
  EXPECT_EQ(values_of(product), values_of(matmul(flat_a, reshape(b, {12, 2}))));
  EXPECT_EQ(values_of(tensordot(a, b, {-2, -3}, {0, 1})), values_of(product));

  array c = random_operand(random, {4, 5, 6}, float32);
  array by_count = tensordot(a, c);
  EXPECT_EQ(by_count.shape(), (Shape{3, 6}));
  EXPECT_EQ(values_of(by_count), values_of(matmul(reshape(a, {3, 20}), reshape(c, {20, 6}))));
  EXPECT_EQ(tensordot(a, c, 0).shape(), (Shape{3, 4, 5, 4, 5, 6}));

  EXPECT_THROW(tensordot(a, c, 4), std::invalid_argument);
  EXPECT_THROW(tensordot(a, c, -1), std::invalid_argument);
  EXPECT_THROW(tensordot(a, b, 2), std::invalid_argument);
  EXPECT_THROW(tensordot(a, b, {0}, {0, 1}), std::invalid_argument);
  EXPECT_THROW(tensordot(a, a, {0, 0}, {0, 0}), std::invalid_argument);
  EXPECT_THROW(tensordot(a, a, {3}, {3}), std::invalid_argument);
}

TEST(Inner, over_the_last_axes) {
  std::mt19937 random(4);
  array a = random_operand(random, {3, 4}, float32), b = random_operand(random, {2, 5, 4}, float32);
  EXPECT_EQ(inner(a, b).shape(), (Shape{3, 2, 5}));
  EXPECT_EQ(values_of(inner(a, b)), values_of(matmul(a, transpose(reshape(b, {10, 4})))));
  EXPECT_THAT(values_of(inner(array({1.0f, 2.0f}), array({3.0f, 4.0f}))), ElementsAre(11));
  EXPECT_THAT(values_of(inner(array({1, 2}), array(3))), ElementsAre(3, 6));
  EXPECT_THROW(inner(zeros({2}), zeros({3})), std::invalid_argument);
}

TEST(Vecdot, along_an_axis) {
  std::mt19937 random(5);
  for (const Dtype dtype : {int32, float32, float16, float64}) {
    array a = random_operand(random, {3, 1, 4}, dtype), b = random_operand(random, {2, 4}, dtype);
    array got = vecdot(a, b);
    EXPECT_EQ(got.dtype(), dtype);
    EXPECT_EQ(got.shape(), (Shape{3, 2}));
    EXPECT_EQ(values_of(got), values_of(sum(multiply(a, b), -1)));
    array first = random_operand(random, {4, 3}, dtype),
          second = random_operand(random, {4, 3}, dtype);
    EXPECT_EQ(values_of(vecdot(first, second, 0)), values_of(sum(multiply(first, second), 0)));
  }
  array z = view(array({1.0f, 2.0f, 0.0f, 1.0f}), complex64);
  EXPECT_EQ(values_of<complex64_t>(vecdot(z, z))[0], complex64_t(6, 0));
  array one = array({1.0f, 1.0f}, complex64);
  EXPECT_EQ(values_of<complex64_t>(vecdot(z, one))[0], complex64_t(1, -3));
  EXPECT_THROW(vecdot(zeros({2}), zeros({3})), std::invalid_argument);
  EXPECT_THROW(vecdot(zeros({2}), zeros({2}), 1), std::invalid_argument);
  EXPECT_THROW(vecdot(array(1.0f), array(1.0f)), std::invalid_argument);
}

TEST(Outer, every_element_by_every_other) {
  EXPECT_THAT(values_of(outer(array({1, 2}), array({3, 4, 5}))), ElementsAre(3, 4, 5, 6, 8, 10));
  EXPECT_EQ(outer(zeros({2, 3}), zeros({4, 1})).shape(), (Shape{6, 4}));
  EXPECT_EQ(outer(array(2.0f), array(3.0f)).shape(), (Shape{1, 1}));
}

TEST(Kron, blocks) {
  array a = array({1, 2, 3, 4}, {2, 2}), b = array({1, 10, 100}, {1, 3});
  EXPECT_THAT(values_of(kron(a, b)), ElementsAre(1, 10, 100, 2, 20, 200, 3, 30, 300, 4, 40, 400));
  EXPECT_EQ(kron(a, b).shape(), (Shape{2, 6}));
  EXPECT_EQ(kron(zeros({2}), zeros({3, 4, 5})).shape(), (Shape{3, 4, 10}));
  EXPECT_THAT(values_of(kron(array({1, 2}), eye(2, int32))), ElementsAre(1, 0, 2, 0, 0, 1, 0, 2));
  EXPECT_EQ(kron(array(2.0f), array(3.0f)).shape(), Shape{});
  array long_axis = broadcast_to(array(0.0f), {1 << 16});
  EXPECT_THROW(kron(long_axis, long_axis), std::overflow_error);
}

// Matrix `i` of a batch along the first axis.
array matrix(const array& a, int i) {
  Shape start(a.ndim(), 0), stop = a.shape();
  start[0] = i;
  stop[0] = i + 1;
  return squeeze(slice(a, start, stop), 0);
}

TEST(GatherMm, picks_matrices_in_any_layout) {
  std::mt19937 random(6);
  for (const Dtype dtype : {float32, bfloat16, complex64}) {
    for (const int rows : {1, 3}) {
      array a = random_operand(random, {6, rows, 8}, dtype);
      array b = transpose(random_operand(random, {4, 5, 8}, dtype), {0, 2, 1});
      const std::vector<int> lefts = {0, 1, 2, 5, 3, 3, -1, 4, 2, 0},
                             rights = {1, 1, 1, 1, 0, 0, 3, -2, 2, 2};
      array left(lefts.begin(), {10}, int32), right(rights.begin(), {2, 5}, int32);
      array got = gather_mm(a, b, reshape(left, {2, 5}), right, false);
      ASSERT_EQ(got.shape(), (Shape{2, 5, rows, 5}));
      array flat = reshape(got, {10, rows, 5});
      for (int i = 0; i < 10; ++i) {
        array want =
            matmul(matrix(a, (lefts[size_t(i)] + 6) % 6), matrix(b, (rights[size_t(i)] + 4) % 4));
        EXPECT_EQ(values_of(matrix(flat, i)), values_of(want)) << i;
      }
    }
  }
}

TEST(GatherMm, missing_indices_are_all_in_turn) {
  std::mt19937 random(7);
  array a = random_operand(random, {2, 3, 4, 5}, float32);
  array b = random_operand(random, {3, 5, 2}, float32);
  array indices = array({2, 0, 1}, uint32);
  array got = gather_mm(a, b, std::nullopt, indices, true);
  EXPECT_EQ(got.shape(), (Shape{2, 3, 4, 2}));
  EXPECT_EQ(values_of(got), values_of(matmul(a, take(b, indices, 0))));
  EXPECT_EQ(values_of(gather_mm(a, b)), values_of(matmul(a, b)));
  array of_left = gather_mm(b, swapaxes(b, -1, -2), array(1));
  EXPECT_EQ(values_of(of_left), values_of(matmul(matrix(b, 1), swapaxes(b, -1, -2))));
}

TEST(GatherMm, mistakes_and_failures) {
  array a = zeros({2, 3, 4}), b = zeros({5, 4, 3});
  EXPECT_THROW(gather_mm(a, a, array(0)), std::invalid_argument);
  EXPECT_THROW(gather_mm(a, b, array(0.0f)), std::invalid_argument);
  EXPECT_THROW(gather_mm(zeros({4}), b, array(0)), std::invalid_argument);
  EXPECT_THROW(gather_mm(a, b, zeros({2}, int32), zeros({3}, int32)), std::invalid_argument);
  for (const int index : {5, -6}) {
    array outside = gather_mm(a, b, array(0), array(index));
    EXPECT_THROW(outside.eval(), IndexError);
  }
}

TEST(SegmentedMm, sums_over_segments) {
  std::mt19937 random(8);
  array a = random_operand(random, {3, 10}, float32);
  array b = transpose(random_operand(random, {4, 10}, float32));
  array segments = array({0, 4, 4, 10, 3, 3, 7, 2, 0, 10, 9, 10}, {3, 2, 2}, uint32);
  array got = segmented_mm(a, b, segments);
  ASSERT_EQ(got.shape(), (Shape{3, 2, 3, 4}));
  const int bounds[][2] = {{0, 4}, {4, 10}, {3, 3}, {7, 7}, {0, 10}, {9, 10}};
  array flat = reshape(got, {6, 3, 4});
  for (int i = 0; i < 6; ++i) {
    const auto [begin, end] = bounds[i];
    array want = matmul(slice(a, {0, begin}, {3, end}), slice(b, {begin, 0}, {end, 4}));
    EXPECT_EQ(values_of(matrix(flat, i)), values_of(want)) << i;
  }
  EXPECT_THROW(segmented_mm(zeros({1, 3, 10}), b, segments), std::invalid_argument);
  EXPECT_THROW(segmented_mm(a, b, zeros({3}, uint32)), std::invalid_argument);
  EXPECT_THROW(segmented_mm(a, b, zeros({3, 2})), std::invalid_argument);
  array outside = segmented_mm(a, b, array({5, 11}, uint32));
  EXPECT_THROW(outside.eval(), IndexError);
}

TEST(BlockMaskedMm, masks_blocks) {
  std::mt19937 random(9);
  array a = random_operand(random, {2, 70, 100}, float32);
  array b = random_operand(random, {100, 40}, float32);
  for (const bool as_bool : {false, true}) {
    const auto mask_of = [&](const Shape& shape) {
      array mask = random_operand(random, shape, float32);
      return as_bool ? greater(mask, array(0.0f)) : mask;
    };
    array out = mask_of({2, 3, 2}), lhs = mask_of({2, 3, 4}), rhs = mask_of({4, 2});
    const auto spread = [](const array& mask, const std::vector<double>& values, int cols, int i) {
      const int row = i / cols, col = i % cols, width = mask.shape(-1);
      return values[size_t(row / 32 * width + col / 32)];
    };
    const auto multiplied = [&](const array& x, const array& mask) {
      const int rows = x.shape(-2), cols = x.shape(-1);
      std::vector<double> elements = values_of(x);
      const std::vector<double> factors = values_of(mask);
      const int n_blocks = mask.shape(-1) * mask.shape(-2);
      for (size_t i = 0; i < elements.size(); ++i) {
        const size_t batch = mask.ndim() == 3 ? i / size_t(rows * cols) : 0;
        const std::vector<double> own(factors.begin() + batch * size_t(n_blocks),
                                      factors.begin() + (batch + 1) * size_t(n_blocks));
        elements[i] *= spread(mask, own, cols, int(i % size_t(rows * cols)));
      }
      return array(elements.begin(), x.shape(), float32);
    };
    array want = multiplied(matmul(multiplied(a, lhs), multiplied(b, rhs)), out);
    EXPECT_EQ(values_of(block_masked_mm(a, b, 32, out, lhs, rhs)), values_of(want));
  }
  EXPECT_EQ(values_of(block_masked_mm(a, b, 64)), values_of(matmul(a, b)));
  EXPECT_THROW(block_masked_mm(a, b, 16), std::invalid_argument);
  EXPECT_THROW(block_masked_mm(a, b, 32, zeros({2, 2})), std::invalid_argument);
  EXPECT_THROW(block_masked_mm(astype(a, complex64), b, 32), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
