// Hadamard transforms against products with the whole matrix, in double.
#include "tarn/kernels/cpu/hadamard.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tarn/kernels/cpu/hadamard_matrix.h"
#include "tarn/ops/hadamard.h"
#include "tarn/tarn.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/float_types.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

// Element (r, c) of the matrix of a transform of rows of n elements.
int element(int n, int r, int c) {
  const int factor = ops::hadamard_factor(n);
  const int power = n / factor;
  const int sign = std::popcount(unsigned(r % power & c % power)) % 2 == 0 ? 1 : -1;
  const size_t place = size_t(r / power * factor + c / power);
  switch (factor) {
    case 12:
      return sign * int(cpu::kHadamard12<float>[place]);
    case 20:
      return sign * int(cpu::kHadamard20<float>[place]);
    case 28:
      return sign * int(cpu::kHadamard28<float>[place]);
    default:
      return sign;
  }
}

template <class T>
constexpr double kUnit = std::is_same_v<T, double>      ? 0x1p-53
                         : std::is_same_v<T, float>     ? 0x1p-24
                         : std::is_same_v<T, float16_t> ? 0x1p-11
                                                        : 0x1p-8;

// Of the sum of the magnitudes of a row's elements, what rounding may make of it.
template <class T>
constexpr double kRounding = std::is_same_v<T, double> ? 0x1p-50 : 0x1p-21;

template <class T>
void check_transform(TestArray& x, float scale) {
  const int n = x.shape().back();
  const std::vector<T> elements = x.elements<T>();
  const auto run = [&](TestArray& from, TestArray& to) {
    const auto bytes = size_t(cpu::hadamard_scratch_bytes(from.view(), to.view()));
    std::vector<std::byte> scratch(bytes + 64);
    void* aligned = scratch.data();
    size_t space = scratch.size();
    cpu::hadamard(from.view(), scale, to.view(), std::align(64, bytes, aligned, space));
  };
  const auto expect = [&](TestArray& out, const char* how) {
    const std::vector<T> got = out.elements<T>();
    // Of long arrays, some elements.
    const size_t step = got.size() * size_t(n) > 4'000'000 ? got.size() / 97 : 1;
    for (size_t at = 0; at < got.size(); at += step) {
      const size_t row = at / size_t(n) * size_t(n);
      double sum = 0, magnitude = 0;
      for (int c = 0; c < n; ++c) {
        const double term = to_double(elements[row + size_t(c)]) * scale;
        sum += element(n, int(at - row), c) * term;
        magnitude += std::fabs(term);
      }
      ASSERT_NEAR(to_double(got[at]), sum, magnitude * kRounding<T> + std::fabs(sum) * kUnit<T>)
          << dtype_name(dtype_of<T>) << " " << testing::PrintToString(x.shape()) << how << " at "
          << at;
    }
  };
  TestArray out(dtype_of<T>, x.shape());
  run(x, out);
  ASSERT_NO_FATAL_FAILURE(expect(out, ""));
  TestArray same(dtype_of<T>, x.shape());
  same.set(elements);
  run(same, same);
  ASSERT_NO_FATAL_FAILURE(expect(same, " in place"));
}

template <class T>
void fill(TestArray& array, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-4, 4);
  array.for_each<T>([&](T& x, int64_t) { x = T(uniform(random)); });
}

template <size_t kSize>
void expect_hadamard(const std::array<double, kSize>& matrix, int order) {
  for (int r = 0; r < order; ++r) {
    for (int s = 0; s < order; ++s) {
      double product = 0;
      for (int c = 0; c < order; ++c) {
        EXPECT_EQ(std::fabs(matrix[size_t(r * order + c)]), 1);
        product += matrix[size_t(r * order + c)] * matrix[size_t(s * order + c)];
      }
      EXPECT_EQ(product, r == s ? order : 0) << "rows " << r << " and " << s << " of " << order;
    }
  }
}

TEST(Hadamard, matrices_have_orthogonal_rows_of_ones) {
  expect_hadamard(cpu::kHadamard12<double>, 12);
  expect_hadamard(cpu::kHadamard20<double>, 20);
  expect_hadamard(cpu::kHadamard28<double>, 28);
}

TEST(Hadamard, lengths) {
  for (int n : {1, 2, 4, 64, 1 << 20, 12, 24, 96, 20, 40, 28, 56, 14336}) {
    EXPECT_NE(ops::hadamard_factor(n), 0) << n;
  }
  for (int n : {-4, 0, 3, 5, 6, 7, 9, 10, 14, 36, 44, 60}) {
    EXPECT_EQ(ops::hadamard_factor(n), 0) << n;
  }
}

TEST(Hadamard, any_layout) {
  std::mt19937 random(1);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (int factor : {1, 12, 20, 28}) {
      for (int power = 1; power * factor <= 1024; power *= 2) {
        Shape shape = random_shape(random, 2, 3);
        for (auto& dim : shape) dim = std::max(dim, 1);
        shape.push_back(factor * power);
        TestArray x = TestArray::random_layout(dtype_of<T>, shape, random);
        fill<T>(x, random);
        ASSERT_NO_FATAL_FAILURE(check_transform<T>(x, 0.25f));
      }
    }
  });
}

// Longer than the first-level cache; enough for several threads, and to be written past the caches.
TEST(Hadamard, large_arrays) {
  std::mt19937 random(2);
  for_each_float_type([&]<class T>(type_tag<T>) {
    for (const Shape& shape : {Shape{2, 8192}, Shape{1 << 17}, Shape{3, 14336}, Shape{600, 4096}}) {
      TestArray x(dtype_of<T>, shape);
      fill<T>(x, random);
      ASSERT_NO_FATAL_FAILURE(check_transform<T>(x, 1 / std::sqrt(float(shape.back()))));
    }
  });
}

TEST(HadamardFunction, twice_is_the_identity_times_the_transposed) {
  // Sylvester's matrices are symmetric, so that twice is once.
  const array x = reshape(arange(32, float32), {2, 16});
  const std::vector<float> twice = values_of<float>(hadamard_transform(hadamard_transform(x)));
  for (int i = 0; i < 32; ++i) EXPECT_NEAR(twice[size_t(i)], i, 1e-4);
  EXPECT_EQ(values_of<float>(hadamard_transform(array({1.0f, 2.0f, 3.0f, 4.0f}), 1.0f)),
            (std::vector<float>{10, -2, -4, 0}));
}

TEST(HadamardFunction, dtypes_and_mistakes) {
  EXPECT_EQ(hadamard_transform(ones({2, 8}, int32)).dtype(), float32);
  EXPECT_EQ(hadamard_transform(ones({2, 8}, bool_)).dtype(), float32);
  EXPECT_EQ(hadamard_transform(ones({2, 12}, float16)).dtype(), float16);
  EXPECT_EQ(values_of<float>(hadamard_transform(array({3.0f}))), std::vector<float>{3});
  EXPECT_THROW(hadamard_transform(array(1.0f)), std::invalid_argument);
  EXPECT_THROW(hadamard_transform(zeros({0, 4})), std::invalid_argument);
  EXPECT_THROW(hadamard_transform(zeros({2, 0})), std::invalid_argument);
  EXPECT_THROW(hadamard_transform(zeros({2, 10})), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
