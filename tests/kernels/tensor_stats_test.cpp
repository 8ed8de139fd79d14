#include "tarn/ops/tensor_stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tarn/tarn.h"

namespace tarn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

TensorStats stats_of(const array& a, NumberFormat format = NumberFormat::of_dtype) {
  array result = tensor_stats(a, format);
  result.eval();
  TensorStats stats;
  std::memcpy(static_cast<void*>(&stats), result.data<double>(), sizeof(stats));
  return stats;
}

TensorStats expected_of(const std::vector<double>& numbers) {
  TensorStats stats;
  long double sum = 0, squares = 0;
  for (const double x : numbers) {
    stats.nan += std::isnan(x);
    stats.inf += std::isinf(x);
    if (!std::isfinite(x)) continue;
    ++stats.finite;
    stats.zeros += x == 0;
    stats.min = std::min(stats.min, x);
    stats.max = std::max(stats.max, x);
    sum += x;
  }
  if (stats.finite > 0) stats.mean = double(sum / stats.finite);
  for (const double x : numbers) {
    if (std::isfinite(x)) squares += ((long double)x - stats.mean) * ((long double)x - stats.mean);
  }
  stats.m2 = double(squares);
  return stats;
}

// `mean_error` is relative to the standard deviation.
void expect_near(const TensorStats& got, const TensorStats& expected, const char* what) {
  SCOPED_TRACE(what);
  EXPECT_EQ(got.finite, expected.finite);
  EXPECT_EQ(got.zeros, expected.zeros);
  EXPECT_EQ(got.nan, expected.nan);
  EXPECT_EQ(got.inf, expected.inf);
  EXPECT_EQ(got.min, expected.min);
  EXPECT_EQ(got.max, expected.max);
  const double spread = std::sqrt(expected.m2 / std::max(expected.finite, 1.0));
  EXPECT_NEAR(got.mean, expected.mean, 1e-6 * spread + 1e-15 * std::abs(expected.mean));
  EXPECT_NEAR(got.m2, expected.m2, 1e-5 * expected.m2);
}

// Converts to `dtype` first: what it cannot hold is not expected either.
void check(const std::vector<double>& numbers, Dtype dtype, const char* what) {
  array a = astype(array(numbers.begin(), Shape{int(numbers.size())}, float64), dtype);
  array held = astype(a, float64);
  held.eval();
  expect_near(stats_of(a), expected_of({held.data<double>(), held.data<double>() + held.size()}),
              what);
}

std::vector<double> normal_numbers(size_t n, double mean, double deviation) {
  std::mt19937 engine(7);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> numbers(n);
  for (double& x : numbers) x = normal(engine);
  return numbers;
}

constexpr size_t kSizes[] = {0, 1, 15, 4095, 4096, 4097, 3 * 4096 + 5, 200'000};

TEST(TensorStats, every_dtype_and_length) {
  for (const Dtype dtype : kAllDtypes) {
    if (dtype == complex64) continue;
    for (const size_t n : kSizes) check(normal_numbers(n, 40, 13), dtype, dtype_name(dtype));
  }
}

TEST(TensorStats, numbers_that_floats_cannot_sum) {
  const struct {
    const char* what;
    double mean, deviation;
  } cases[] = {{"far from 0", 1e6, 0.5}, {"large", 0, 1e30}, {"small", 0, 1e-25}, {"unit", 0, 1}};
  for (const auto& [what, mean, deviation] : cases) {
    check(normal_numbers(20'000, mean, deviation), float32, what);
    check(normal_numbers(20'000, mean, deviation), bfloat16, what);
    check(normal_numbers(20'000, mean, deviation), float64, what);
  }
  std::vector<double> outlier_first = normal_numbers(8192, 0, 1e-3);
  outlier_first[0] = outlier_first[4096] = 1e4;
  check(outlier_first, float32, "the first number is an outlier");
}

TEST(TensorStats, constant_tensors_have_no_spread) {
  constexpr int kSize = 70'000;  // many blocks, of several ranges, and a rest
  for (const Dtype dtype : {float16, bfloat16, float32, float64, int8, int16, int32, int64}) {
    for (const double value : {0.0, -0.0, 1.0, 0.1, -7.3, 1e30, 1e-30, 1e300, 1e-300}) {
      const array constant = astype(full({kSize}, value, float64), dtype);
      const double held = astype(slice(constant, {0}, {1}), float64).item<double>();
      if (!std::isfinite(held)) continue;
      const TensorStats stats = stats_of(constant);
      EXPECT_EQ(stats.finite, kSize);
      EXPECT_EQ(stats.mean, held) << dtype_name(dtype);
      EXPECT_EQ(stats.m2, 0) << dtype_name(dtype) << " " << held;
      EXPECT_EQ(std::signbit(stats.min), held < 0);
    }
  }
}

// Whose squares are not finite, in one block and in several.
TEST(TensorStats, numbers_whose_squares_are_infinite) {
  for (const double large : {1e300, std::numeric_limits<double>::max()}) {
    for (const size_t n : {4096, 8192, 200'000}) {
      for (const size_t n_negative : {n / 4, n / 2, n - n / 4}) {
        std::vector<double> numbers(n, large);
        std::fill_n(numbers.begin(), n_negative, -large);
        numbers[n_negative / 2] = kInf;
        numbers[n_negative / 2 + 1] = kNan;
        const TensorStats stats = stats_of(array(numbers.begin(), Shape{int(n)}, float64));
        EXPECT_EQ(stats.finite, double(n - 2));
        EXPECT_EQ(stats.min, -large);
        EXPECT_EQ(stats.max, large);
        const double negative = double(n_negative - 2) / stats.finite, positive = 1 - negative;
        EXPECT_NEAR(stats.mean / large, positive - negative, 1e-12);
        const double deviation = std::sqrt(stats.m2 / stats.finite) / (large * stats.scale);
        EXPECT_NEAR(deviation, 2 * std::sqrt(positive * negative), 1e-12);
      }
    }
  }
}

// A few numbers whose squares are infinite among many whose squares are not.
TEST(TensorStats, a_large_outlier) {
  std::vector<double> numbers(100'000, 1);
  numbers[70'000] = 1e200;
  const TensorStats stats = stats_of(array(numbers.begin(), Shape{100'000}, float64));
  EXPECT_NEAR(stats.mean, 1e195, 1e183);
  EXPECT_NEAR(std::sqrt(stats.m2 / stats.finite) / stats.scale, std::sqrt(1e-5) * 1e200, 1e193);
}

template <class E>
void check_extremes(E low, E high) {
  for (const size_t n : {2, 5000, 200'000}) {
    std::vector<E> numbers(n, E(low + 1));
    numbers[(n - 1) / 2] = low;
    numbers[n - 1] = high;
    const TensorStats stats = stats_of(array(numbers.begin(), Shape{int(n)}));
    EXPECT_TRUE(__int128(stats.min) + __int128(stats.min_rest) == __int128(low)) << low;
    EXPECT_TRUE(__int128(stats.max) + __int128(stats.max_rest) == __int128(high)) << high;
  }
}

TEST(TensorStats, extremes_of_64_bit_integers_are_exact) {
  using I = std::numeric_limits<int64_t>;
  check_extremes<int64_t>(I::min(), I::max());
  check_extremes<int64_t>((int64_t{1} << 53) + 1, (int64_t{1} << 53) + 3);
  check_extremes<int64_t>(-(int64_t{1} << 53) - 3, -(int64_t{1} << 53) - 1);
  check_extremes<uint64_t>((uint64_t{1} << 63) + 1, std::numeric_limits<uint64_t>::max());
  check_extremes<uint64_t>(0, 7);
}

TEST(TensorStats, nan_and_infinity_are_counted_and_left_out) {
  for (const Dtype dtype : {float16, bfloat16, float32, float64}) {
    for (const size_t at : {0, 5, 4095, 4096, 9999}) {
      for (const double special : {kNan, kInf, -kInf}) {
        std::vector<double> numbers = normal_numbers(10'000, 1, 2);
        numbers[at] = special;
        numbers[(at + 1) % 10'000] = 0;
        check(numbers, dtype, dtype_name(dtype));
      }
    }
    std::vector<double> both = normal_numbers(10'000, 0, 1);
    both[17] = kInf;
    both[18] = -kInf;
    check(both, dtype, "both infinities");
    check(std::vector<double>(5000, kNan), dtype, "nothing but NaN");
  }
}

TEST(TensorStats, complex_numbers_are_two_each) {
  const std::vector<complex64_t> numbers{{1, 2}, {0, -3}};
  const TensorStats stats = stats_of(array(numbers.begin(), Shape{2}));
  expect_near(stats, expected_of({1, 2, 0, -3}), "complex64");
}

TEST(TensorStats, views) {
  array a = transpose(reshape(arange(0, 12, 1, float32), {3, 4}));
  expect_near(stats_of(slice(a, {1, 0}, {3, 2})), expected_of({1, 5, 2, 6}), "slice");
}

// The values of all 256 codes, by the format's definition.
double value_of_code(NumberFormat format, int code) {
  if (format == NumberFormat::float8_e8m0) return code == 0xff ? kNan : std::ldexp(1, code - 127);
  const bool is_fnuz =
      format == NumberFormat::float8_e4m3fnuz || format == NumberFormat::float8_e5m2fnuz;
  const bool is_e4m3 =
      format == NumberFormat::float8_e4m3 || format == NumberFormat::float8_e4m3fnuz;
  const int n_mantissa = is_e4m3 ? 3 : 2, bias = (is_e4m3 ? 7 : 15) + is_fnuz;
  const int mantissa = code & ((1 << n_mantissa) - 1);
  const int exponent = (code & 0x7f) >> n_mantissa;
  const double sign = (code & 0x80) != 0 ? -1 : 1;
  if (is_fnuz && code == 0x80) return kNan;
  if (!is_fnuz && is_e4m3 && (code & 0x7f) == 0x7f) return kNan;
  if (!is_fnuz && !is_e4m3 && exponent == 31) return mantissa == 0 ? sign * kInf : kNan;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - n_mantissa);
  return sign * std::ldexp((1 << n_mantissa) + mantissa, exponent - bias - n_mantissa);
}

TEST(TensorStats, eight_bit_floats) {
  for (const NumberFormat format :
       {NumberFormat::float8_e4m3, NumberFormat::float8_e5m2, NumberFormat::float8_e8m0,
        NumberFormat::float8_e4m3fnuz, NumberFormat::float8_e5m2fnuz}) {
    std::vector<uint8_t> codes;
    std::vector<double> values, finite;
    std::vector<uint8_t> finite_codes;
    for (int i = 0; i < 8192; ++i) {
      const double value = value_of_code(format, i & 0xff);
      codes.push_back(uint8_t(i));
      values.push_back(value);
      if (!std::isfinite(value) || std::abs(value) > 1e5) continue;
      finite_codes.push_back(uint8_t(i));
      finite.push_back(value);
    }
    expect_near(stats_of(array(codes.begin(), Shape{8192}), format), expected_of(values), "all");
    const int n = int(finite.size());
    expect_near(stats_of(array(finite_codes.begin(), Shape{n}), format), expected_of(finite),
                "finite");
  }
  EXPECT_THROW(tensor_stats(zeros({3}), NumberFormat::float8_e4m3), std::invalid_argument);
}

TEST(TensorStats, four_bit_floats) {
  constexpr double kValues[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (const size_t n : {0, 1, 7, 2048, 2049, 100'000}) {
    std::vector<uint8_t> bytes;
    std::vector<double> values;
    for (size_t i = 0; i < n; ++i) {
      bytes.push_back(uint8_t(i * 37 + i / 256));
      for (const int code : {bytes.back() & 15, bytes.back() >> 4}) {
        values.push_back(code < 8 ? kValues[code] : -kValues[code - 8]);
      }
    }
    expect_near(stats_of(array(bytes.begin(), Shape{int(n)}), NumberFormat::float4_e2m1),
                expected_of(values), "float4");
  }
}

TEST(TensorStats, adding_parts_gives_the_whole) {
  const std::vector<double> numbers = normal_numbers(1000, 3, 2);
  TensorStats sum;
  for (size_t begin = 0; begin < 1000; begin += 100) {
    sum.add(expected_of({numbers.begin() + begin, numbers.begin() + begin + 100}));
  }
  sum.add({});
  expect_near(sum, expected_of(numbers), "parts");
}

}  // namespace
}  // namespace tarn
