// Scans against their definitions, one element after the other, floats in long double.
#include "tarn/kernels/cpu/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "tarn/kernels/cpu/scan_kernels.h"
#include "tarn/math/formulas.h"
#include "tarn/tarn.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/element_groups.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

constexpr ScanOp kOps[] = {ScanOp::cummax, ScanOp::cummin, ScanOp::cumprod, ScanOp::cumsum,
                           ScanOp::logcumsumexp};
constexpr ScanOrder kOrders[] = {{false, true}, {false, false}, {true, true}, {true, false}};

std::string describe(ScanOp op, ScanOrder order, Dtype dtype, const Shape& shape, int axis) {
  return std::string(kScanInfo[int(op)].name) + (order.reverse ? " reverse" : "") +
         (order.inclusive ? "" : " exclusive") + " of " + dtype_name(dtype) + " " +
         to_string(shape) + " along " + std::to_string(axis);
}

// An element and what bounds its error: how many were combined, and the sum of their magnitudes.
struct Exact {
  long double value;
  long double magnitude = 0;
  int64_t count = 0;
};

Exact combine(ScanOp op, const Exact& x, long double y) {
  const long double magnitude = x.magnitude + std::fabs(y);
  const int64_t count = x.count + 1;
  if (std::isnan(x.value) || std::isnan(y)) return {NAN, magnitude, count};
  switch (op) {
    case ScanOp::cummax:
      return {std::fmax(x.value, y), 0, count};
    case ScanOp::cummin:
      return {std::fmin(x.value, y), 0, count};
    case ScanOp::cumprod:
      return {x.value * y, std::fabs(x.value * y), count};
    case ScanOp::cumsum:
      return {x.value + y, magnitude, count};
    case ScanOp::logcumsumexp: {
      const long double largest = std::fmax(x.value, y);
      if (std::isinf(largest)) return {largest, 0, count};
      const long double sum =
          largest + std::log(std::exp(x.value - largest) + std::exp(y - largest));
      return {sum, std::fabs(sum) + 1, count};
    }
  }
  return {};
}

long double nothing(ScanOp op) {
  switch (op) {
    case ScanOp::cummin:
      return INFINITY;
    case ScanOp::cumprod:
      return 1;
    case ScanOp::cumsum:
      return 0;
    default:
      return -INFINITY;
  }
}

template <class T>
void expect_float(T got, ScanOp op, const Exact& exact, const std::string& what) {
  const double value = to_double(got);
  if (std::isnan(exact.value) || std::isinf(exact.value)) {
    ASSERT_TRUE(std::isnan(exact.value) ? std::isnan(value) : value == exact.value)
        << what << " is " << value << " and not " << double(exact.value);
    return;
  }
  const bool is_extreme = op == ScanOp::cummax || op == ScanOp::cummin;
  const long double bound =
      is_extreme ? 0 : exact.magnitude * (exact.count + 4) * std::ldexp(1.0L, -53);
  const auto round = [](long double x) {
    return to_double(T(std::conditional_t<HalfType<T>, float, T>(x)));
  };
  ASSERT_TRUE(round(exact.value - bound) <= value && value <= round(exact.value + bound))
      << what << " is " << value << " and not " << double(exact.value);
}

template <class T>
T combine_integers(ScanOp op, T x, T y) {
  switch (op) {
    case ScanOp::cummax:
      return std::max(x, y);
    case ScanOp::cummin:
      return std::min(x, y);
    case ScanOp::cumprod:
      return T(uint64_t(x) * uint64_t(y));
    default:
      return T(uint64_t(x) + uint64_t(y));
  }
}

template <class T>
void expect_line(ScanOp op, ScanOrder order, std::vector<T> in, std::vector<T> out,
                 const std::string& what) {
  if (order.reverse) {
    std::reverse(in.begin(), in.end());
    std::reverse(out.begin(), out.end());
  }
  if constexpr (std::is_integral_v<T>) {
    T total = op == ScanOp::cummax    ? std::numeric_limits<T>::lowest()
              : op == ScanOp::cummin  ? std::numeric_limits<T>::max()
              : op == ScanOp::cumprod ? T(1)
                                      : T(0);
    for (size_t i = 0; i < in.size(); ++i) {
      const T next = combine_integers(op, total, in[i]);
      ASSERT_EQ(out[i], order.inclusive ? next : total) << what << " element " << i;
      total = next;
    }
  } else {
    Exact total{nothing(op)};
    for (size_t i = 0; i < in.size(); ++i) {
      const Exact next = combine(op, total, to_double(in[i]));
      ASSERT_NO_FATAL_FAILURE(expect_float(out[i], op, order.inclusive ? next : total,
                                           what + " element " + std::to_string(i)));
      total = next;
    }
  }
}

template <class T>
void check_scan(ScanOp op, ScanOrder order, TestArray& in, int axis) {
  const std::string what = describe(op, order, dtype_of<T>, in.shape(), axis);
  const auto check = [&](TestArray& out, const Groups<T>& from, const std::string& where) {
    const Groups<T> results = group_elements<T>(out, {axis});
    for (size_t g = 0; g < from.elements.size(); ++g) {
      ASSERT_NO_FATAL_FAILURE(
          expect_line(op, order, from.elements[g], results.elements[g], what + where));
    }
  };
  const Groups<T> from = group_elements<T>(in, {axis});
  TestArray out(dtype_of<T>, in.shape());
  cpu::scan(op, in.view(), axis, order, out.view());
  ASSERT_NO_FATAL_FAILURE(check(out, from, ""));

  TestArray same(dtype_of<T>, in.shape());
  same.set(in.elements<T>());
  cpu::scan(op, same.view(), axis, order, same.view());
  ASSERT_NO_FATAL_FAILURE(check(same, from, " in place"));
}

// Numbers whose products stay in range; special ones among them.
template <class T>
void fill_numbers(TestArray& array, ScanOp op, bool has_special, std::mt19937& random) {
  array.for_each<T>([&](T& x, int64_t) {
    if constexpr (std::is_integral_v<T>) {
      x = has_special ? random_special<T>(random) : random_bits<T>(random);
    } else if (has_special && random() % 30 == 0) {
      constexpr float kValues[] = {0, -0.0f, INFINITY, -INFINITY, NAN};
      x = T(kValues[random() % 5]);
    } else if (op == ScanOp::cumprod) {
      x = T(1 + float(pick(random, -8, 8)) / 256);
    } else {
      x = T(std::uniform_real_distribution<float>(-4, 4)(random));
    }
  });
}

bool is_defined(ScanOp op, Dtype dtype) {
  return dtype != complex64 && dtype != bool_ &&
         (op != ScanOp::logcumsumexp || issubdtype(dtype, floating));
}

template <class F>
void for_each_case(F f) {
  for (Dtype dtype : kAllDtypes) {
    for (ScanOp op : kOps) {
      if (!is_defined(op, dtype)) continue;
      visit(dtype, [&]<class T>(type_tag<T> tag) {
        if constexpr (!is_complex<T> && !std::is_same_v<T, bool>) f(op, tag);
      });
    }
  }
}

TEST(Scan, any_layout_along_any_axis) {
  std::mt19937 random(1);
  for_each_case([&]<class T>(ScanOp op, type_tag<T>) {
    for (int i = 0; i < 48; ++i) {
      Shape shape = i % 6 == 0 ? random_shape(random, 2, 90) : random_shape(random, 4, 7);
      if (shape.empty()) shape = {pick(random, 0, 70)};
      TestArray in = TestArray::random_layout(dtype_of<T>, shape, random);
      fill_numbers<T>(in, op, i % 3 == 0, random);
      const int axis = pick(random, 0, int(shape.size()) - 1);
      ASSERT_NO_FATAL_FAILURE(check_scan<T>(op, kOrders[i % 4], in, axis));
    }
  });
}

// Lines that are cut into chunks, and more than one block of columns.
TEST(Scan, large_arrays) {
  std::mt19937 random(2);
  const std::pair<Shape, int> cases[] = {{{530'000}, 0},  {{3, 180'001}, 1}, {{270'000, 2}, 0},
                                         {{8001, 70}, 0}, {{70, 3001}, 0},   {{2, 50, 1100}, 1},
                                         {{5000, 17}, 1}};
  int i = 0;
  const auto check = [&]<class T>(ScanOp op, type_tag<T>, size_t n_cases) {
    for (const auto& [shape, axis] : std::span(cases).first(n_cases)) {
      TestArray in(dtype_of<T>, shape);
      fill_numbers<T>(in, op, false, random);
      ASSERT_NO_FATAL_FAILURE(check_scan<T>(op, kOrders[i++ % 4], in, axis));
    }
  };
  check(ScanOp::cumsum, type_tag<float>(), std::size(cases));
  check(ScanOp::cumprod, type_tag<bfloat16_t>(), 3);
  check(ScanOp::cummax, type_tag<int16_t>(), std::size(cases));
  check(ScanOp::cummin, type_tag<double>(), 2);
  check(ScanOp::logcumsumexp, type_tag<float16_t>(), 1);
}

// A running sum in float stops at 2^24, one in 16 bits far earlier.
TEST(Scan, long_sums_are_accurate) {
  constexpr int64_t kSize = (1 << 24) + 1000;
  TestArray ones(float32, {int(kSize)});
  ones.for_each<float>([](float& x, int64_t) { x = 1; });
  cpu::scan(ScanOp::cumsum, ones.view(), 0, {false, true}, ones.view());
  for (int64_t i : {int64_t{0}, int64_t{1} << 20, kSize - 2, kSize - 1}) {
    EXPECT_EQ(ones.view().as<float>()[i], float(i + 1));
  }
  TestArray halves(bfloat16, {4096, 40});
  halves.for_each<bfloat16_t>([](bfloat16_t& x, int64_t) { x = bfloat16_t(1.0f); });
  cpu::scan(ScanOp::cumsum, halves.view(), 0, {true, true}, halves.view());
  EXPECT_EQ(float(halves.elements<bfloat16_t>()[0]), 4096);
}

TEST(Scan, complex_numbers) {
  std::mt19937 random(3);
  const Shape shape{7, 40, 3};
  TestArray in(complex64, shape), out(complex64, shape);
  in.for_each<complex64_t>(
      [&](complex64_t& x, int64_t) { x = random_element<complex64_t>(random, {}); });
  for (ScanOp op : kOps) {
    for (int axis = 0; axis < 3; ++axis) {
      cpu::scan(op, in.view(), axis, {false, true}, out.view());
      const auto from = group_elements<complex64_t>(in, {axis});
      const auto to = group_elements<complex64_t>(out, {axis});
      for (size_t g = 0; g < from.elements.size(); ++g) {
        Complex total = from.elements[g][0];
        for (size_t i = 0; i < from.elements[g].size(); ++i) {
          const Complex x = from.elements[g][i];
          if (i > 0) {
            total = op == ScanOp::cummax    ? (complex_less(total, x) ? x : total)
                    : op == ScanOp::cummin  ? (complex_less(x, total) ? x : total)
                    : op == ScanOp::cumprod ? total * x
                    : op == ScanOp::cumsum  ? total + x
                                            : std::log(std::exp(total) + std::exp(x));
          }
          // Logarithms may differ by full turns.
          const bool is_log = op == ScanOp::logcumsumexp;
          const Complex got(to.elements[g][i]);
          ASSERT_LE(std::abs(is_log ? std::exp(got) - std::exp(total) : got - total),
                    1e-4 * (1 + std::abs(is_log ? std::exp(total) : total)))
              << describe(op, {false, true}, complex64, shape, axis) << " element " << i;
        }
      }
    }
  }
}

// What a kernel makes of x: the results, between margins, and the carry.
template <class T>
struct RunResult {
  static constexpr size_t kMargin = 64 / sizeof(T);
  alignas(64) T elements[kMargin + 512 + kMargin];
  double carry = 0;

  RunResult(const cpu::ScanKernels& table, ScanOp op, ScanOrder order, const std::vector<T>& x,
            bool stream) {
    std::fill(std::begin(elements), std::end(elements), T(-77));
    const T first(3);
    std::memcpy(&carry, &first, sizeof(T));
    if (op == ScanOp::cumsum || op == ScanOp::cumprod) carry = 3;
    table.run[int(op)][int(dtype_of<T>.val())](&carry, x.data(), elements + kMargin, x.size(),
                                               order, stream);
  }
};

// Of a NaN, only that it is one.
template <class T>
void expect_same(const RunResult<T>& got, const RunResult<T>& expected) {
  for (size_t i = 0; i < std::size(got.elements); ++i) {
    const T x = got.elements[i], y = expected.elements[i];
    ASSERT_TRUE((x != x && y != y) || std::memcmp(&x, &y, sizeof(T)) == 0)
        << i << ": " << x << " and " << y;
  }
  ASSERT_TRUE((got.carry != got.carry && expected.carry != expected.carry) ||
              std::memcmp(&got.carry, &expected.carry, sizeof(double)) == 0);
}

TEST(Scan, every_instruction_set_gives_the_same_bits) {
  std::mt19937 random(4);
  const auto tables = cpu::runnable_scan_kernels();
  const auto check = [&]<class T>(type_tag<T>) {
    for (ScanOp op : {ScanOp::cummax, ScanOp::cummin, ScanOp::cumprod, ScanOp::cumsum}) {
      for (size_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 200, 400}) {
        for (const bool has_specials : {false, true}) {
          std::vector<T> x(n);
          for (T& element : x) element = T(pick(random, -100, 100)) / T(37);
          const T specials[] = {T(-0.0), T(0), T(NAN), T(INFINITY), T(-INFINITY)};
          if (has_specials) x[random() % n] = specials[random() % 5];
          for (ScanOrder order : kOrders) {
            const RunResult<T> widest(tables.front(), op, order, x, false);
            ASSERT_EQ(widest.elements[RunResult<T>::kMargin - 1], T(-77));
            ASSERT_EQ(widest.elements[RunResult<T>::kMargin + n], T(-77));
            for (const cpu::ScanKernels& table : tables) {
              ASSERT_NO_FATAL_FAILURE(
                  expect_same(RunResult<T>(table, op, order, x, false), widest));
              if (n * sizeof(T) % 64 != 0) continue;
              ASSERT_NO_FATAL_FAILURE(expect_same(RunResult<T>(table, op, order, x, true), widest));
            }
          }
        }
      }
    }
  };
  check(type_tag<float>());
  check(type_tag<double>());
}

TEST(Scan, columns_past_the_caches) {
  const auto check = [&]<class T>(type_tag<T>) {
    constexpr size_t kMost = 200, kMargin = 64 / sizeof(T);
    for (const cpu::ScanKernels& table : cpu::runnable_scan_kernels()) {
      for (ScanOp op : {ScanOp::cummax, ScanOp::cummin, ScanOp::cumprod, ScanOp::cumsum}) {
        for (size_t n : {1, 15, 16, 17, 64, 199}) {
          for (const bool inclusive : {false, true}) {
            std::vector<T> x(n);
            for (size_t i = 0; i < n; ++i) x[i] = T(int(i % 23) - 11) / 4;
            struct Step {
              alignas(64) T out[kMost + kMargin];
              alignas(64) double carries[kMost];
            };
            const auto step = [&](bool stream) {
              Step result;
              std::fill(std::begin(result.out), std::end(result.out), T(-77));
              std::fill(std::begin(result.carries), std::end(result.carries), 3.0);
              table.columns[int(op)][int(dtype_of<T>.val())](result.carries, x.data(), result.out,
                                                             x.data(), n, inclusive, stream);
              return result;
            };
            const Step stored = step(false), streamed = step(true);
            ASSERT_EQ(std::memcmp(streamed.out, stored.out, sizeof(stored.out)), 0) << n;
            ASSERT_EQ(std::memcmp(streamed.carries, stored.carries, sizeof(stored.carries)), 0);
            ASSERT_NE(stored.out[n - 1], T(-77));
            ASSERT_EQ(stored.out[n], T(-77));
          }
        }
      }
    }
  };
  check(type_tag<float>());
  check(type_tag<double>());
}

// Of a block, or of what one thread takes, products may leave the range of numbers that those of
// all elements stay in.
TEST(Scan, products_overflow_only_where_they_do) {
  const auto products = [](std::vector<double> x, bool reverse) {
    if (reverse) std::reverse(x.begin(), x.end());
    const array result = cumprod(array(x.begin(), {int(x.size())}, float64), 0, reverse);
    std::vector<double> got = values_of<double>(result);
    if (reverse) std::reverse(got.begin(), got.end());
    return got;
  };
  for (const bool reverse : {false, true}) {
    std::vector<double> x(16, 1.0);
    std::fill(x.begin() + 8, x.end(), 1e60);
    x[0] = 0;
    EXPECT_EQ(products(x, reverse), std::vector<double>(16, 0.0));
    x[0] = 1e-300;
    EXPECT_NEAR(products(x, reverse)[15] / 1e180, 1, 1e-12);

    const int n = 600'000;
    const array zero = zeros({1}), twos = full({n}, 2.0f);
    const array line = reverse ? concatenate({twos, zero}) : concatenate({zero, twos});
    EXPECT_TRUE(array_equal(cumprod(line, 0, reverse), zeros({n + 1})).item<bool>());
  }
}

TEST(ScanFunctions, dtypes_and_shapes) {
  const array bools({true, true, false, true}, {2, 2});
  EXPECT_EQ(cumsum(bools).dtype(), int32);
  EXPECT_EQ(cumsum(bools).shape(), (Shape{4}));
  EXPECT_TRUE(array_equal(cumsum(bools, 0), array({1, 1, 1, 2}, {2, 2})).item<bool>());
  EXPECT_TRUE(
      array_equal(cumprod(bools, 1), array({true, true, false, false}, {2, 2})).item<bool>());
  EXPECT_EQ(cumprod(bools).dtype(), bool_);
  EXPECT_TRUE(array_equal(cummax(bools), array({true, true, true, true})).item<bool>());

  const array bytes({100, 100}, int8);
  EXPECT_TRUE(array_equal(cumsum(bytes), array({100, -56}, int8)).item<bool>());
  EXPECT_TRUE(array_equal(cumsum(bytes, false, true, int32), array({100, 200})).item<bool>());
  EXPECT_EQ(cumprod(bytes, 0, false, true, float32).dtype(), float32);
  EXPECT_TRUE(array_equal(cumsum(bytes, 0, true, false, StreamOrDevice{}), array({100, 0}, int8))
                  .item<bool>());
  EXPECT_EQ(logcumsumexp(bytes).dtype(), float32);

  EXPECT_EQ(cumsum(array(3.0f)).item<float>(), 3);
  array empty = cummax(zeros({0, 3}), 0);
  eval(empty);
  EXPECT_EQ(empty.shape(), (Shape{0, 3}));
}

TEST(ScanFunctions, wrong_axes) {
  const array a = zeros({2, 3});
  EXPECT_THROW(cumsum(a, 2), std::invalid_argument);
  EXPECT_THROW(cumprod(a, -3), std::invalid_argument);
  EXPECT_THROW(cummax(a, 7), std::invalid_argument);
  EXPECT_THROW(cummin(array(1.0f), 0), std::invalid_argument);
  EXPECT_THROW(logcumsumexp(a, 2), std::invalid_argument);
}

TEST(ScanFunctions, infinities_in_logcumsumexp) {
  const float kInf = INFINITY;
  const std::vector<float> in{-kInf, -1000, 1000, kInf, 0, NAN, 1};
  array result = logcumsumexp(array(in.begin(), {7}));
  eval(result);
  const float* got = result.data<float>();
  EXPECT_EQ(got[0], -kInf);
  EXPECT_EQ(got[1], -1000);
  EXPECT_EQ(got[2], 1000);
  EXPECT_EQ(got[3], kInf);
  EXPECT_EQ(got[4], kInf);
  EXPECT_TRUE(std::isnan(got[5]) && std::isnan(got[6]));
}

// Rows that begin at a cache line, and rows that do not.
TEST(ScanFunctions, columns_past_the_caches) {
  for (const int n_columns : {2048, 2050}) {
    const Shape shape{1100, n_columns};
    for (const Dtype dtype : {float32, int32}) {
      const array x = astype(remainder(arange(shape[0] * shape[1]), array(7)), dtype);
      const array lines = contiguous(transpose(reshape(x, shape)));
      for (const bool inclusive : {true, false}) {
        const array expected = transpose(cumsum(lines, 1, false, inclusive));
        const array got = cumsum(reshape(x, shape), 0, false, inclusive);
        EXPECT_TRUE(array_equal(got, expected).item<bool>()) << dtype << " " << n_columns;
      }
    }
  }
}

}  // namespace
}  // namespace tarn
