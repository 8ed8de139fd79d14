#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tarn/base/failure.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/indexing.h"
#include "tarn/ops/functions/matmul.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/quantization_formats.h"

namespace tarn {
namespace {

// Of a number that is stored as the dtype.
double rounding_of(Dtype dtype) {
  if (dtype == bfloat16) return 0x1p-8;
  return dtype == float16 ? 0x1p-11 : 0x1p-23;
}

array product(const array& x, const QuantizedArray& w, const Format& format, bool transpose) {
  return quantized_matmul(x, w.codes, w.scales, w.biases, transpose, format.group_size, format.bits,
                          format.mode);
}

// `got` is x times the numbers `w`, both matrices, but for: the rounding of sums of float32, whose
// terms are no larger than a few times the largest number; for 16-bit dtypes that of w, and of the
// result.
void expect_product(const array& got, const array& x, const array& w, bool transpose) {
  const int m = x.shape(0), k = x.shape(1), n = w.shape(transpose ? 0 : 1);
  ASSERT_EQ(got.shape(), (Shape{m, n}));
  const std::vector<double> xs = values_of(x), ws = values_of(w), ys = values_of(got);
  const double rounding = got.dtype() == float32 ? 0 : rounding_of(got.dtype());
  double largest = 0;
  for (double value : ws) largest = std::max(largest, std::fabs(value));
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0, sum_of_magnitudes = 0, sum_of_x = 0;
      for (int p = 0; p < k; ++p) {
        const double term = xs[size_t(i * k + p)] * ws[size_t(transpose ? j * k + p : p * n + j)];
        sum += term;
        sum_of_magnitudes += std::fabs(term);
        sum_of_x += std::fabs(xs[size_t(i * k + p)]);
      }
      const double bound = 0x1p-20 * sum_of_x * largest + rounding * sum_of_magnitudes +
                           rounding_of(got.dtype()) * std::fabs(sum);
      ASSERT_LE(std::fabs(ys[size_t(i * n + j)] - sum), bound)
          << "row " << i << " of " << m << ", column " << j << " of " << n << ", depth " << k;
    }
  }
}

void expect_products(std::mt19937& random, const Format& format, Dtype dtype, int m, int n, int k) {
  for (const bool transpose : {true, false}) {
    // Columns of the right side are in whole groups if they are not transposed.
    const int columns =
        transpose ? n : (n + format.group_size - 1) / format.group_size * format.group_size;
    const array x = random_numbers(random, {m, k}, dtype);
    const array w = random_numbers(random, transpose ? Shape{n, k} : Shape{k, columns}, dtype);
    const QuantizedArray q = quantized(w, format);
    const array got = product(x, q, format, transpose);
    EXPECT_EQ(got.dtype(), dtype);
    SCOPED_TRACE(testing::Message() << format << ", " << dtype << ", transpose " << transpose);
    ASSERT_NO_FATAL_FAILURE(expect_product(got, x, dequantized(q, format, float32), transpose));
  }
}

TEST(QuantizedMatmul, every_format_and_number_of_rows) {
  std::mt19937 random(1);
  for (const Format& format : all_formats()) {
    for (const Dtype dtype : {float32, float16, bfloat16}) {
      for (const int m : {1, 2, 3, 5, 16, 17, 40}) {
        const int k = format.group_size * pick(random, 1, 5);
        ASSERT_NO_FATAL_FAILURE(expect_products(random, format, dtype, m, pick(random, 1, 50), k));
      }
    }
  }
}

TEST(QuantizedMatmul, long_rows_and_many_columns) {
  std::mt19937 random(2);
  for (const Format& format : all_formats()) {
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, float32, 1, 5, 9 * 1024 + 128));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, float32, 6, 3, 2 * 1024 + 128));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, float32, 11, 3, 2 * 1024 + 128));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, bfloat16, 1, 5, 9 * 1024 + 128));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, bfloat16, 3, 5, 2 * 1024 + 128));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, bfloat16, 1, 500, 256));
    ASSERT_NO_FATAL_FAILURE(expect_products(random, format, float32, 200, 450, 128));
  }
}

// Few rows times 2- or 4-bit codes are sums of integers.

// One row of codes, with scales of one and biases of zero.
QuantizedArray integers(const std::vector<unsigned>& codes, int bits, Dtype dtype) {
  const std::vector<uint32_t> words = packed(codes, bits);
  const Shape groups{1, int(codes.size()) / 64};
  return {array(words.begin(), {1, int(words.size())}, uint32), ones(groups, dtype),
          zeros(groups, dtype)};
}

// Of each of some rows of x and that of codes.
std::vector<double> integer_products(const std::vector<std::vector<float>>& rows,
                                     const std::vector<unsigned>& codes, int bits, Dtype dtype) {
  std::vector<float> all;
  for (const std::vector<float>& row : rows) all.insert(all.end(), row.begin(), row.end());
  const array x = astype(array(all.begin(), {int(rows.size()), int(codes.size())}), dtype);
  const array y = product(x, integers(codes, bits, dtype), {"affine", 64, bits}, true);
  EXPECT_EQ(y.dtype(), dtype);
  return values_of(y);
}

constexpr int kDepth = 576;  // not a whole number of steps

TEST(QuantizedMatmul, integer_sums_of_the_largest_numbers) {
  const auto expect = [](const std::vector<float>& numbers, Dtype dtype) {
    for (const int bits : {2, 4}) {
      const auto most = unsigned((1 << bits) - 1);
      for (const float x : numbers) {
        const std::vector<float> row(kDepth, x);
        const double expected = double(x) * most * kDepth;
        for (const int m : {1, 3}) {
          for (double y : integer_products(std::vector(size_t(m), row),
                                           std::vector<unsigned>(kDepth, most), bits, dtype)) {
            EXPECT_NEAR(y, expected, std::fabs(expected) * rounding_of(dtype)) << bits << dtype;
          }
        }
      }
    }
  };
  expect({0x1.fffffep0f, -0x1.fffffep0f, 0x1.fffffep100f, -0x1.02p-90f}, float32);
  expect({0x1.ffcp0f, -0x1.ffcp0f, -0x1p-24f}, float16);
  expect({0x1.fep0f, -0x1.fep0f, 0x1.fep100f, -0x1.02p-90f}, bfloat16);
}

// A large element whose code is 0: its neighbours in the lane are rounded to multiples of what is
// then the last place, 1; those of other lanes are not.
TEST(QuantizedMatmul, integer_sums_beside_a_large_number) {
  const auto expect = [](float large, Dtype dtype) {
    for (const int bits : {2, 4}) {
      const int per_lane = 32 / bits;
      SCOPED_TRACE(testing::Message() << bits << " bits, " << dtype);
      std::vector<unsigned> codes(kDepth, 1);
      codes[0] = 0;
      std::vector<float> row(kDepth, 0.0f);
      row[0] = large;
      std::fill_n(row.begin() + 1, per_lane - 1, 0.75f);
      EXPECT_EQ(integer_products({row}, codes, bits, dtype)[0], per_lane - 1);
      std::fill_n(row.begin() + 1, per_lane - 1, -1.0f);
      EXPECT_EQ(integer_products({row}, codes, bits, dtype)[0], 1 - per_lane);
      std::fill_n(row.begin() + 1, per_lane - 1, 0.0f);
      row[size_t(per_lane)] = 0x1p-20f;
      EXPECT_EQ(integer_products({row}, codes, bits, dtype)[0], 0x1p-20);
    }
  };
  expect(0x1p21f, float32);
  expect(-0x1.8p21f, float32);
  expect(0x1p13f, bfloat16);
  expect(-0x1.8p13f, bfloat16);
}

TEST(QuantizedMatmul, integer_sums_with_what_is_no_number) {
  for (const Dtype dtype : {float32, float16, bfloat16}) {
    for (const int bits : {2, 4}) {
      for (const size_t place : {0, 7, 8, 511, 512, kDepth - 1}) {
        for (const float none : {INFINITY, -INFINITY, NAN}) {
          std::vector<float> row(kDepth, 0.0f);
          row[1] = 3;
          std::vector<float> other = row;
          other[place] = none;
          const std::vector<double> y =
              integer_products({row, other, row}, std::vector<unsigned>(kDepth, 1), bits, dtype);
          EXPECT_EQ(y[0], 3);
          EXPECT_TRUE(std::isnan(y[1])) << y[1];
          EXPECT_EQ(y[2], 3);
        }
      }
    }
  }
}

TEST(QuantizedMatmul, dtypes) {
  std::mt19937 random(3);
  const Format affine{"affine", 32, 4}, floats{"mxfp8", 32, 8};
  for (const Dtype x_dtype : {float32, float16, bfloat16, float64}) {
    const array x = random_numbers(random, {3, 64}, x_dtype);
    for (const Dtype w_dtype : {float32, float16, bfloat16, float64}) {
      const QuantizedArray q = quantized(random_numbers(random, {5, 64}, w_dtype), affine);
      const array got = product(x, q, affine, true);
      EXPECT_EQ(got.dtype(), promote_types(x_dtype, w_dtype));
      ASSERT_NO_FATAL_FAILURE(expect_product(got, x, dequantized(q, affine, float32), true));
    }
    const QuantizedArray q = quantized(random_numbers(random, {5, 64}), floats);
    EXPECT_EQ(product(x, q, floats, true).dtype(), x_dtype);
  }
}

// Matrix `i` of the last two axes.
array matrix(const array& a, int i) {
  const array flat = reshape(a, {-1, a.shape(-2), a.shape(-1)});
  return squeeze(slice(flat, {i, 0, 0}, {i + 1, a.shape(-2), a.shape(-1)}), 0);
}
QuantizedArray matrix(const QuantizedArray& q, int i) {
  return {matrix(q.codes, i), matrix(q.scales, i),
          q.biases ? std::optional(matrix(*q.biases, i)) : std::nullopt};
}

TEST(QuantizedMatmul, vectors_batches_and_layouts) {
  std::mt19937 random(4);
  for (const Format& format : {Format{"affine", 64, 4}, Format{"affine", 32, 3},
                               Format{"nvfp4", 16, 4}, Format{"mxfp8", 32, 8}}) {
    const QuantizedArray one = quantized(random_numbers(random, {7, 64}), format);
    const array numbers = dequantized(one, format, float32);
    const array v = random_numbers(random, {64});
    EXPECT_EQ(product(v, one, format, true).shape(), Shape{7});
    expect_product(expand_dims(product(v, one, format, true), 0), expand_dims(v, 0), numbers, true);

    const array x = random_numbers(random, {2, 3, 4, 64});
    const array got = product(x, one, format, true);
    ASSERT_EQ(got.shape(), (Shape{2, 3, 4, 7}));
    expect_product(reshape(got, {24, 7}), reshape(x, {24, 64}), numbers, true);

    for (const bool transpose : {true, false}) {
      const QuantizedArray many = quantized(random_numbers(random, {3, 64, 64}), format);
      const array all = product(x, many, format, transpose);
      ASSERT_EQ(all.shape(), (Shape{2, 3, 4, 64}));
      const array shared = product(matrix(x, 0), many, format, transpose);
      ASSERT_EQ(shared.shape(), (Shape{3, 4, 64}));
      for (int i = 0; i < 6; ++i) {
        const array w = dequantized(matrix(many, i % 3), format, float32);
        expect_product(matrix(all, i), matrix(x, i), w, transpose);
        if (i < 3) expect_product(matrix(shared, i), matrix(x, 0), w, transpose);
      }
    }
    for (const int m : {1, 3, 30}) {
      const array rows = transpose(random_numbers(random, {64, m}));
      expect_product(product(rows, one, format, true), rows, numbers, true);
      const array same = broadcast_to(v, {m, 64});
      expect_product(product(same, one, format, true), same, numbers, true);
      // Codes and scales that do not lie row by row.
      const QuantizedArray across{
          transpose(contiguous(transpose(one.codes))), transpose(contiguous(transpose(one.scales))),
          one.biases ? std::optional(transpose(contiguous(transpose(*one.biases)))) : std::nullopt};
      expect_product(product(rows, across, format, true), rows, numbers, true);
    }
  }
}

TEST(QuantizedMatmul, nothing_to_multiply) {
  const Format format{"affine", 32, 4};
  const QuantizedArray q = quantized(ones({5, 32}), format);
  EXPECT_EQ(product(zeros({0, 32}), q, format, true).shape(), (Shape{0, 5}));
  EXPECT_EQ(values_of(product(zeros({0, 32}), q, format, true)).size(), 0u);
  const QuantizedArray no_columns = quantized(ones({0, 32}), format);
  EXPECT_EQ(values_of(product(zeros({3, 32}), no_columns, format, true)).size(), 0u);
  const QuantizedArray no_depth = quantized(ones({2, 0}), format);
  EXPECT_EQ(values_of(product(zeros({3, 0}), no_depth, format, true)), std::vector<double>(6, 0.0));
  const QuantizedArray no_rows = quantized(ones({0, 32}), format);
  EXPECT_EQ(values_of(product(zeros({1, 0}), no_rows, format, false)),
            std::vector<double>(32, 0.0));
}

TEST(QuantizedMatmul, nan_passes_through) {
  const Format format{"mxfp8", 32, 8};
  for (const int m : {1, 20}) {
    // The second row has a code that is NaN.
    std::vector<uint32_t> codes(3 * 16, 0x38383838u);  // ones
    codes[16 + 9] = 0x38ff3838u;
    const QuantizedArray q{array(codes.begin(), {3, 16}), full({3, 2}, array(127), uint8),
                           std::nullopt};
    const std::vector<double> got = values_of(product(ones({m, 64}), q, format, true));
    for (size_t i = 0; i < got.size(); ++i) {
      if (i % 3 == 1) {
        EXPECT_TRUE(std::isnan(got[i]));
      } else {
        EXPECT_EQ(got[i], 64);
      }
    }
  }
  const Format affine{"affine", 64, 4};
  const QuantizedArray q = quantized(ones({3, 128}), affine);
  const array x = where(equal(arange(128), array(70)), array(INFINITY), array(1.0f));
  for (double y : values_of(product(x, q, affine, true))) EXPECT_FALSE(std::isfinite(y));
}

TEST(GatherQmm, picks_matrices) {
  std::mt19937 random(5);
  for (const Format& format :
       {Format{"affine", 64, 4}, Format{"affine", 32, 6}, Format{"mxfp4", 32, 4}}) {
    for (const int rows : {1, 3, 20}) {
      for (const bool transpose : {true, false}) {
        const array x = random_numbers(random, {6, rows, 64});
        const QuantizedArray w = quantized(random_numbers(random, {4, 64, 64}), format);
        const std::vector<int> lefts = {0, 1, 2, 5, 3, 3, -1, 4, 2, 0},
                               rights = {1, 1, 1, 1, 0, 0, 3, -2, 2, 2};
        const array left(lefts.begin(), {2, 5}), right(rights.begin(), {2, 5});
        const array got = gather_qmm(x, w.codes, w.scales, w.biases, left, right, transpose,
                                     format.group_size, format.bits, format.mode, rows == 3);
        ASSERT_EQ(got.shape(), (Shape{2, 5, rows, 64}));
        for (int i = 0; i < 10; ++i) {
          const QuantizedArray picked = matrix(w, (rights[size_t(i)] + 4) % 4);
          expect_product(matrix(got, i), matrix(x, (lefts[size_t(i)] + 6) % 6),
                         dequantized(picked, format, float32), transpose);
        }
      }
    }
  }
}

TEST(GatherQmm, missing_indices_are_all_in_turn) {
  std::mt19937 random(6);
  const Format format{"affine", 32, 8};
  const array x = random_numbers(random, {2, 3, 4, 32});
  const QuantizedArray w = quantized(random_numbers(random, {3, 5, 32}), format);
  const auto gathered = [&](std::optional<array> left, std::optional<array> right) {
    return gather_qmm(x, w.codes, w.scales, w.biases, left, right, true, 32, 8);
  };
  const array right({2, 0, 1}, uint32);
  const array got = gathered(std::nullopt, right);
  ASSERT_EQ(got.shape(), (Shape{2, 3, 4, 5}));
  const std::vector<uint32_t> rights = values_of<uint32_t>(right);
  for (int i = 0; i < 6; ++i) {
    const array numbers = dequantized(matrix(w, int(rights[size_t(i % 3)])), format, float32);
    expect_product(matrix(got, i), matrix(x, i), numbers, true);
  }
  EXPECT_EQ(values_of(gathered({}, {})), values_of(product(x, w, format, true)));
  EXPECT_EQ(gathered(array(4), {}).shape(), (Shape{3, 4, 5}));
}

TEST(GatherQmm, mistakes_and_failures) {
  const array x = zeros({2, 3, 64}), codes = zeros({5, 4, 8}, uint32), scales = ones({5, 4, 1});
  const auto gathered = [&](const array& left, const array& right) {
    return gather_qmm(x, codes, scales, scales, left, right);
  };
  EXPECT_THROW(gathered(array(0.0f), array(0)), std::invalid_argument);
  EXPECT_THROW(gathered(zeros({2}, int32), zeros({3}, int32)), std::invalid_argument);
  EXPECT_THROW(gather_qmm(x, codes, scales, {}, array(0)), std::invalid_argument);
  for (const int index : {5, -6}) {
    array outside = gathered(array(0), array(index));
    EXPECT_THROW(outside.eval(), IndexError);
  }
  array outside = gathered(array(2), array(0));
  EXPECT_THROW(outside.eval(), IndexError);
}

TEST(QuantizedMatmul, mistakes) {
  const array x = zeros({3, 64}), codes = zeros({4, 8}, uint32), scales = ones({4, 1});
  EXPECT_NO_THROW(quantized_matmul(x, codes, scales, scales));
  EXPECT_THROW(quantized_matmul(x, codes, scales), std::invalid_argument);
  EXPECT_THROW(quantized_matmul(x, codes, scales, scales, false), std::invalid_argument);
  EXPECT_THROW(quantized_matmul(zeros({3, 32}), codes, scales, scales), std::invalid_argument);
  EXPECT_THROW(quantized_matmul(zeros({3, 64}, int32), codes, scales, scales),
               std::invalid_argument);
  EXPECT_THROW(quantized_matmul(array(1.0f), codes, scales, scales), std::invalid_argument);
  EXPECT_THROW(quantized_matmul(x, codes, scales, scales, true, 32), std::invalid_argument);
  EXPECT_THROW(quantized_matmul(x, codes, scales, scales, true, {}, {}, "fp4"),
               std::invalid_argument);
  EXPECT_THROW(quantized_matmul(zeros({2, 3, 64}), zeros({3, 4, 8}, uint32), ones({3, 4, 1}),
                                ones({3, 4, 1})),
               std::invalid_argument);
}

TEST(Qqmm, both_sides_are_quantized) {
  std::mt19937 random(7);
  for (const Format& format :
       {Format{"nvfp4", 16, 4}, Format{"mxfp4", 32, 4}, Format{"mxfp8", 32, 8}}) {
    for (const Dtype dtype : {float32, bfloat16, float16}) {
      const array x = random_numbers(random, {5, 96}, dtype);
      const array w = random_numbers(random, {7, 96}, dtype);
      const QuantizedArray q = quantized(w, format);
      const array rounded_x = dequantized(quantized(x, format), format, float32);
      const array numbers = dequantized(q, format, float32);
      const array packed_w = qqmm(x, q.codes, q.scales, {}, {}, format.mode);
      EXPECT_EQ(packed_w.dtype(), dtype);
      expect_product(packed_w, rounded_x, numbers, true);
      EXPECT_EQ(values_of(qqmm(x, w, {}, {}, {}, format.mode)), values_of(packed_w));

      const array xs = random_numbers(random, {2, 3, 96}, dtype);
      const array gathered = gather_qqmm(xs, expand_dims(w, 0), {}, array({1, 0, 1}, int32),
                                         array(0), {}, {}, format.mode);
      ASSERT_EQ(gathered.shape(), (Shape{3, 3, 7}));
      expect_product(matrix(gathered, 1),
                     dequantized(quantized(matrix(xs, 0), format), format, float32), numbers, true);
    }
  }
}

TEST(Qqmm, global_scales) {
  std::mt19937 random(8);
  const array x = multiply(random_numbers(random, {5, 64}), array(1e-5f));
  const array w = multiply(random_numbers(random, {7, 64}), array(1e4f));
  const array x_scale(4e-5f), w_scale(4e4f);
  const auto rounded = [](const array& a, const array& scale) {
    const std::vector<array> parts = quantize(a, {}, {}, "nvfp4", scale);
    return dequantize(parts[0], parts[1], {}, {}, {}, "nvfp4", scale, float32);
  };
  const array got = qqmm(x, w, {}, {}, {}, "nvfp4", x_scale, w_scale);
  expect_product(got, rounded(x, x_scale), rounded(w, w_scale), true);
}

TEST(Qqmm, mistakes) {
  const array x = zeros({3, 64}), w = zeros({4, 64}), codes = zeros({4, 8}, uint32);
  const array scales = zeros({4, 4}, uint8);
  EXPECT_NO_THROW(qqmm(x, w));
  EXPECT_NO_THROW(qqmm(x, codes, scales));
  // Whatever is composed of others reports under its own name.
  const auto refuses = testing::ThrowsMessage<std::invalid_argument>(testing::StartsWith("[qqmm]"));
  EXPECT_THAT([&] { qqmm(x, codes); }, refuses);
  EXPECT_THAT([&] { qqmm(x, w, scales); }, refuses);
  EXPECT_THAT([&] { qqmm(x, w, {}, {}, {}, "affine"); }, refuses);
  EXPECT_THAT([&] { qqmm(zeros({2, 3, 64}), w); }, refuses);
  EXPECT_THAT([&] { qqmm(zeros({3, 24}), zeros({4, 24})); }, refuses);
  EXPECT_THAT([&] { qqmm(zeros({3, 32}), w); }, refuses);
  EXPECT_THAT([&] { qqmm(zeros({3, 32}), codes, scales); }, refuses);
  EXPECT_THAT([&] { qqmm(x, codes, zeros({4, 5}, uint8)); }, refuses);
  EXPECT_THAT([&] { qqmm(x, zeros({4, 72})); }, refuses);
  EXPECT_THAT([&] { qqmm(x, zeros({4, 64}, int32)); }, refuses);
  EXPECT_THAT([&] { qqmm(zeros({3, 64}, int32), w); }, refuses);
  EXPECT_THAT([&] { qqmm(x, w, {}, {}, {}, "nvfp4", array(1.0f)); }, refuses);
  EXPECT_THAT([&] { qqmm(x, w, {}, {}, {}, "mxfp8", array(1.0f), array(1.0f)); }, refuses);
}

}  // namespace
}  // namespace tarn
