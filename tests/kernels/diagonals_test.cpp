#include "tarn/ops/functions/diagonals.h"

#include "tarn/kernels/cpu/creation.h"
#include "tests/kernels/numbered_array.h"

namespace tarn {
namespace {

// Calls f(n, m, k) for matrices of few rows and columns and diagonals in, beside and far from them.
template <class F>
void for_each_diagonal(F f) {
  for (int n : {0, 1, 3, 4}) {
    for (int m : {0, 1, 3, 5}) {
      for (int k : {INT32_MIN, -6, -2, -1, 0, 1, 3, 6, INT32_MAX}) {
        ASSERT_NO_FATAL_FAILURE(f(n, m, k)) << n << " x " << m << ", diagonal " << k;
      }
    }
  }
}

TEST(Triangles, of_ones) {
  for_each_diagonal([](int n, int m, int k) {
    const array ones = tri(n, m, k, bfloat16);
    EXPECT_EQ(ones.dtype(), bfloat16);
    expect_numbers(ones, {n, m},
                   [&](const Shape& index) { return index[1] - int64_t{index[0]} <= k; });
  });
  expect_numbers(tri(3, bool_), {3, 3}, [](const Shape& index) { return index[1] <= index[0]; });
  EXPECT_THROW(tri(-1, 2, 0, float32), std::invalid_argument);
}

TEST(Triangles, of_the_elements) {
  for_each_diagonal([](int n, int m, int k) {
    const Shape shape{2, n, m};
    const array a = numbered(shape) + array(1);
    expect_numbers(tril(a, k), shape, [&](const Shape& index) {
      return index[2] - int64_t{index[1]} <= k ? number_at(shape, index) + 1 : 0;
    });
    expect_numbers(triu(a, k), shape, [&](const Shape& index) {
      return index[2] - int64_t{index[1]} >= k ? number_at(shape, index) + 1 : 0;
    });
  });
  EXPECT_EQ(tril(numbered({2, 2})).dtype(), int32);
  // What is left out is not looked at.
  const array infinities = full({2, 2}, INFINITY);
  EXPECT_EQ(values_of<float>(triu(infinities, 1)), (std::vector<float>{0, INFINITY, 0, 0}));
  EXPECT_THROW(tril(array({1, 2})), std::invalid_argument);
  EXPECT_THROW(triu(array(1)), std::invalid_argument);
}

TEST(Diag, makes_matrices_and_takes_diagonals) {
  for (int n : {0, 1, 4}) {
    for (int k : {-3, -1, 0, 1, 2}) {
      const array matrix = diag(astype(numbered({n}) + array(1), float16), k);
      EXPECT_EQ(matrix.dtype(), float16);
      const int size = n + std::abs(k);
      expect_numbers(matrix, {size, size}, [&](const Shape& index) {
        return index[1] - index[0] == k ? std::min(index[0], index[1]) + 1 : 0;
      });
      expect_numbers(diag(matrix, k), {n}, [](const Shape& index) { return index[0] + 1; });
    }
  }
  EXPECT_THROW(diag(array(1)), std::invalid_argument);
  EXPECT_THROW(diag(numbered({2, 2, 2})), std::invalid_argument);
  EXPECT_THROW(diag(array({1}), INT32_MAX), std::overflow_error);
  EXPECT_THROW(diag(array({1}), INT32_MIN), std::overflow_error);
}

TEST(Trace, is_the_sum_of_a_diagonal) {
  const array a = numbered({3, 4, 2});
  EXPECT_EQ(trace(numbered({3, 4})).item<int>(), 0 + 5 + 10);
  EXPECT_EQ(values_of<int>(trace(a, 1, 0, 1)), (std::vector<int>{2 + 12 + 22, 3 + 13 + 23}));
  EXPECT_EQ(values_of<int>(trace(a, -1, 2, 1)), (std::vector<int>{1, 9, 17}));
  EXPECT_EQ(trace(astype(a, int8), 0, 0, 1).dtype(), int32);
  EXPECT_EQ(trace(astype(a, int8), 0, 0, 1, int8).dtype(), int8);
  EXPECT_EQ(trace(astype(a, int8), 0, 0, 1, float16).dtype(), float16);
  EXPECT_EQ(trace(astype(full({2, 2}, 100), uint8), 0, 0, 1, uint32).item<uint32_t>(), 200u);
  EXPECT_EQ(trace(zeros({0, 3})).item<float>(), 0);
  EXPECT_THROW(trace(a, 0, 0, 3), std::out_of_range);
  EXPECT_THROW(trace(zeros({3})), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
