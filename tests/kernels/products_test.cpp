// Functions composed of products.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
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

}  // namespace
}  // namespace tarn
