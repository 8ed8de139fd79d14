// Fourier transforms against their definition, a sum in double, and by their properties; the inner
// loops on every instruction set.
#include "tarn/kernels/cpu/fft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <random>

#include "tarn/graph/eval.h"
#include "tarn/kernels/cpu/fft_kernels.h"
#include "tarn/kernels/cpu/fft_plan.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/fft.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/element_groups.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using Number = std::complex<double>;
using Sequence = std::vector<Number>;
using Kind = ops::Fft::Kind;

// By the definition, O(n^2).
Sequence dft(const Sequence& x, bool is_inverse) {
  const size_t n = x.size();
  std::vector<Number> roots(n);
  for (size_t k = 0; k < n; ++k) {
    roots[k] = std::polar(1.0, (is_inverse ? 2 : -2) * std::numbers::pi * double(k) / double(n));
  }
  Sequence result(n);
  for (size_t k = 0; k < n; ++k) {
    size_t e = 0;
    for (size_t j = 0; j < n; ++j) {
      result[k] += x[j] * roots[e];
      e = (e + k) % n;
    }
  }
  return result;
}

// Every r-th element apart, r being the smallest factor; for long sequences.
Sequence fast_dft(const Sequence& x, bool is_inverse) {
  const size_t n = x.size();
  size_t radix = 2;
  while (radix < n && n % radix != 0) ++radix;
  if (n < 16 || radix == n) return dft(x, is_inverse);
  const size_t m = n / radix;
  std::vector<Sequence> parts(radix);
  for (size_t j = 0; j < n; ++j) parts[j % radix].push_back(x[j]);
  Sequence roots(n);
  for (size_t k = 0; k < n; ++k) {
    roots[k] = std::polar(1.0, (is_inverse ? 2 : -2) * std::numbers::pi * double(k) / double(n));
  }
  Sequence result(n);
  for (size_t r = 0; r < radix; ++r) {
    const Sequence part = fast_dft(parts[r], is_inverse);
    for (size_t k = 0; k < n; ++k) result[k] += part[k % m] * roots[k * r % n];
  }
  return result;
}

double norm(const Sequence& x) {
  double sum = 0;
  for (Number value : x) sum += std::norm(value);
  return std::sqrt(sum);
}

double relative_error(const Sequence& got, const Sequence& expected) {
  Sequence difference(expected.size());
  for (size_t i = 0; i < expected.size(); ++i) difference[i] = got[i] - expected[i];
  const double size = norm(expected);
  return size == 0 ? norm(difference) : norm(difference) / size;
}

// What an operation makes of one sequence.
Sequence expected_of(Sequence x, const ops::Fft& op) {
  const auto n = size_t(op.n);
  const bool is_inverse = op.kind == Kind::inverse || op.kind == Kind::complex_to_real;
  if (op.kind == Kind::complex_to_real) {
    x.resize(n / 2 + 1);
    x[0] = x[0].real();
    if (n % 2 == 0) x[n / 2] = x[n / 2].real();
    x.resize(n);
    for (size_t k = 1; k <= n / 2; ++k) x[n - k] = std::conj(x[k]);
  } else {
    x.resize(n);
  }
  Sequence result = fast_dft(x, is_inverse);
  if (op.kind == Kind::real_to_complex) result.resize(n / 2 + 1);
  for (Number& value : result) value *= op.scale;
  return result;
}

template <class T>
std::vector<Sequence> sequences_along(TestArray& array, int axis) {
  std::vector<Sequence> sequences;
  for (const auto& group : group_elements<T>(array, {axis}).elements) {
    Sequence& sequence = sequences.emplace_back();
    for (const T& x : group) {
      if constexpr (is_complex<T>) {
        sequence.emplace_back(x.real(), x.imag());
      } else {
        sequence.emplace_back(x);
      }
    }
  }
  return sequences;
}

std::vector<Sequence> sequences_along(TestArray& array, int axis) {
  return array.view().dtype == complex64 ? sequences_along<complex64_t>(array, axis)
                                         : sequences_along<float>(array, axis);
}

void fill_numbers(TestArray& array, std::mt19937& random) {
  std::uniform_real_distribution<float> number(-1, 1);
  if (array.view().dtype == complex64) {
    array.for_each<complex64_t>([&](complex64_t& x, int64_t) {
      const float re = number(random);
      x = complex64_t(re, number(random));
    });
  } else {
    array.for_each<float>([&](float& x, int64_t) { x = number(random); });
  }
}

constexpr double kTolerance = 5e-7;

void check_transform(const ops::Fft& op, TestArray& in) {
  Shape shape = in.shape();
  shape[size_t(op.axis)] = op.kind == Kind::real_to_complex ? op.n / 2 + 1 : op.n;
  TestArray out(op.kind == Kind::complex_to_real ? float32 : complex64, shape);
  cpu::fft(op, in.view(), out.view());
  const auto from = sequences_along(in, op.axis), to = sequences_along(out, op.axis);
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i) {
    ASSERT_LT(relative_error(to[i], expected_of(from[i], op)), kTolerance)
        << "sequence " << i << " of " << in.shape() << " along " << op.axis << ", length " << op.n
        << ", kind " << int(op.kind);
  }
}

constexpr Kind kKinds[] = {Kind::forward, Kind::inverse, Kind::real_to_complex,
                           Kind::complex_to_real};

Dtype input_dtype(Kind kind) { return kind == Kind::real_to_complex ? float32 : complex64; }

// One sequence, a few, and enough to fill the lanes.
TEST(Fft, every_length) {
  std::mt19937 random(1);
  std::vector<int> lengths{256, 289, 343, 360, 500, 512, 1000, 1024, 1331, 2187, 2048};
  for (int n = 1; n < 140; ++n) lengths.push_back(n);
  for (int n : lengths) {
    for (Kind kind : kKinds) {
      for (int batch : {1, 3, 37}) {
        if (batch > 3 && n > 70 && n % 16 != 0) continue;
        const int length = kind == Kind::complex_to_real ? n / 2 + 1 : n;
        TestArray in(input_dtype(kind), {batch, length});
        fill_numbers(in, random);
        ASSERT_NO_FATAL_FAILURE(check_transform({kind, 1, n, 0.5f}, in));
      }
    }
  }
}

TEST(Fft, long_sequences) {
  std::mt19937 random(2);
  for (int n : {2003, 4096, 5000, 2 * 2503, 8192, 14641, 16384, 20000, 1 << 17}) {
    for (Kind kind : kKinds) {
      const int length = kind == Kind::complex_to_real ? n / 2 + 1 : n;
      TestArray in(input_dtype(kind), {length});
      fill_numbers(in, random);
      ASSERT_NO_FATAL_FAILURE(check_transform({kind, 0, n, 1}, in));
    }
  }
}

TEST(Fft, any_layout_along_any_axis) {
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    const Kind kind = kKinds[i % 4];
    Shape shape = random_shape(random, 4, i % 5 == 0 ? 40 : 9);
    if (shape.empty()) shape.push_back(5);
    const int axis = pick(random, 0, int(shape.size()) - 1);
    TestArray in = TestArray::random_layout(input_dtype(kind), shape, random);
    fill_numbers(in, random);
    // Cut off, or continued with zeros.
    ASSERT_NO_FATAL_FAILURE(check_transform({kind, axis, pick(random, 1, 30), 1}, in));
  }
}

// Side by side in memory, with and without a rest that does not fill the lanes.
TEST(Fft, long_columns) {
  std::mt19937 random(4);
  for (Kind kind : kKinds) {
    for (const auto& [n, columns] : {std::pair{600, 50}, {5000, 17}, {6000, 2}, {401, 20}}) {
      const int length = kind == Kind::complex_to_real ? n / 2 + 1 : n;
      TestArray in(input_dtype(kind), {length, columns});
      fill_numbers(in, random);
      ASSERT_NO_FATAL_FAILURE(check_transform({kind, 0, n, 1}, in));
    }
  }
}

TEST(Fft, overwrites_its_input) {
  std::mt19937 random(5);
  for (const Shape& shape : {Shape{40, 64}, Shape{1, 5000}, Shape{2, 401}}) {
    const ops::Fft op{Kind::forward, 1, shape[1], 1};
    TestArray in(complex64, shape);
    fill_numbers(in, random);
    const auto from = sequences_along(in, 1);
    cpu::fft(op, in.view(), in.view());
    const auto to = sequences_along(in, 1);
    for (size_t i = 0; i < from.size(); ++i) {
      ASSERT_LT(relative_error(to[i], expected_of(from[i], op)), kTolerance) << shape;
    }
  }
}

template <class F>
void for_each_isa(F f) {
  for (const cpu::KernelTable* table : cpu::runnable_kernels()) {
    SCOPED_TRACE(table->isa);
    f(cpu::fft_kernels(table->isa));
  }
}

struct Lanes {
  std::vector<float> floats;  // with room for alignment
  float* data;

  Lanes(size_t rows, size_t lanes) : floats(rows * lanes + 16) {
    data = floats.data() + (64 - reinterpret_cast<uintptr_t>(floats.data()) % 64) % 64 / 4;
  }
  Lanes(const Lanes&) = delete;
};

TEST(FftKernels, every_radix) {
  std::mt19937 random(6);
  std::uniform_real_distribution<float> number(-1, 1);
  for_each_isa([&](const cpu::FftKernels& kernels) {
    const size_t lanes = kernels.n_lanes;
    for (int n : {1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 64, 120, 9 * 13, 7 * 11 * 2, 2 * 13 * 13, 512}) {
      for (bool is_inverse : {false, true}) {
        Lanes x(size_t(2 * n), lanes), y(size_t(2 * n), lanes);
        std::vector<Sequence> from(lanes, Sequence(size_t(n)));
        for (size_t lane = 0; lane < lanes; ++lane) {
          for (size_t j = 0; j < size_t(n); ++j) {
            float* const element = x.data + 2 * j * lanes + lane;
            element[0] = number(random);
            element[lanes] = number(random);
            from[lane][j] = {element[0], element[lanes]};
          }
        }
        const cpu::FftPasses passes(n);
        const float* z = kernels.transform(passes.passes, is_inverse, x.data, y.data);
        for (size_t lane = 0; lane < lanes; ++lane) {
          Sequence to;
          for (size_t k = 0; k < size_t(n); ++k) {
            to.emplace_back(z[2 * k * lanes + lane], z[(2 * k + 1) * lanes + lane]);
          }
          EXPECT_LT(relative_error(to, dft(from[lane], is_inverse)), kTolerance) << n;
        }
      }
    }
  });
}

TEST(FftKernels, rows_and_columns) {
  for_each_isa([](const cpu::FftKernels& kernels) {
    const int64_t lanes = int64_t(kernels.n_lanes);
    for (int64_t n : {1, 5, 8, 16, 33, 50}) {
      Lanes matrix(size_t(2 * n), size_t(lanes));
      std::vector<float> rows(size_t(lanes * (n + 3))), back(rows.size(), -1.0f);
      for (size_t i = 0; i < rows.size(); ++i) rows[i] = float(i);
      kernels.load_rows(rows.data(), n + 3, n, matrix.data);
      kernels.store_rows(matrix.data, n, 2.0f, back.data(), n + 3);
      for (int64_t r = 0; r < lanes; ++r) {
        for (int64_t c = 0; c < n + 3; ++c) {
          if (c < n) {
            ASSERT_EQ(matrix.data[c * lanes + r], rows[size_t(r * (n + 3) + c)]);
          }
          ASSERT_EQ(back[size_t(r * (n + 3) + c)], c < n ? 2 * rows[size_t(r * (n + 3) + c)] : -1);
        }
      }
      const int64_t stride = 2 * lanes + 4;
      std::vector<float> pairs(size_t(n * stride)), pairs_back(pairs.size(), -1.0f);
      for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = float(i);
      kernels.load_complex(pairs.data(), stride, n, matrix.data);
      kernels.store_complex(matrix.data, n, 2.0f, pairs_back.data(), stride);
      for (int64_t i = 0; i < n * stride; ++i) {
        const int64_t row = i / stride, at = i % stride;
        if (at < 2 * lanes) {
          ASSERT_EQ(matrix.data[(2 * row + at % 2) * lanes + at / 2], pairs[size_t(i)]);
        }
        ASSERT_EQ(pairs_back[size_t(i)], at < 2 * lanes ? 2 * pairs[size_t(i)] : -1);
      }
    }
  });
}

TEST(FftKernels, spectra_of_pairs) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> number(-1, 1);
  for_each_isa([&](const cpu::FftKernels& kernels) {
    const size_t lanes = kernels.n_lanes;
    for (size_t half : {1, 2, 5, 8, 17, 62, 63, 64, 65, 66, 99, 127, 128, 129, 200}) {
      Lanes z(2 * half + 2, lanes), x(2 * half + 2, lanes), back(2 * half + 2, lanes);
      std::vector<Sequence> reals(lanes, Sequence(2 * half));
      for (size_t lane = 0; lane < lanes; ++lane) {
        Sequence pairs;
        for (Number& value : reals[lane]) value = number(random);
        for (size_t j = 0; j < half; ++j) {
          pairs.emplace_back(reals[lane][2 * j].real(), reals[lane][2 * j + 1].real());
        }
        const Sequence spectrum = dft(pairs, false);
        for (size_t k = 0; k < half; ++k) {
          z.data[2 * k * lanes + lane] = float(spectrum[k].real());
          z.data[(2 * k + 1) * lanes + lane] = float(spectrum[k].imag());
        }
      }
      const cpu::FftHalfTwiddles twiddles{int64_t(2 * half)};
      kernels.split_spectrum(z.data, int64_t(half), twiddles.roots.data(), x.data);
      kernels.merge_spectrum(x.data, int64_t(half), twiddles.roots.data(), back.data);
      for (size_t lane = 0; lane < lanes; ++lane) {
        Sequence expected = dft(reals[lane], false), got;
        expected.resize(half + 1);
        for (size_t k = 0; k <= half; ++k) {
          got.emplace_back(x.data[2 * k * lanes + lane], x.data[(2 * k + 1) * lanes + lane]);
        }
        EXPECT_LT(relative_error(got, expected), kTolerance) << half;
      }
      for (size_t i = 0; i < 2 * half * lanes; ++i) {
        EXPECT_NEAR(back.data[i], 2 * z.data[i], 2e-5) << half;
      }
      const int64_t row = int64_t(2 * half + 5);
      std::vector<float> rows(lanes * size_t(row), -1.0f), expected_rows = rows;
      kernels.split_to_rows(z.data, int64_t(half), twiddles.roots.data(), 3.0f, rows.data(), row);
      kernels.store_rows(x.data, int64_t(2 * half + 2), 3.0f, expected_rows.data(), row);
      EXPECT_EQ(rows, expected_rows) << half;
      // One of them as a row: the same bits, but for the first and the last element.
      const auto expect_same_in_row = [&](auto in_row, const Lanes& from, const Lanes& expected) {
        std::vector<float> one(2 * half + 2);
        for (size_t i = 0; i < one.size(); ++i) one[i] = from.data[i * lanes];
        const int64_t n = int64_t(half), middle = 1 + n / 3;
        in_row(one.data(), n, twiddles.roots.data(), 1, middle);
        in_row(one.data(), n, twiddles.roots.data(), middle, n / 2 + 1);
        for (size_t i = 2; i < 2 * half; ++i)
          ASSERT_EQ(one[i], expected.data[i * lanes]) << half << " " << i;
      };
      expect_same_in_row(kernels.split_in_row, z, x);
      expect_same_in_row(kernels.merge_in_row, x, back);
    }
  });
}

Sequence values(const array& a) {
  array dense = contiguous(astype(a, complex64));
  dense.eval();
  Sequence result;
  for (size_t i = 0; i < dense.size(); ++i) {
    const complex64_t x = dense.data<complex64_t>()[i];
    result.emplace_back(x.real(), x.imag());
  }
  return result;
}

array sample(const Shape& shape, Dtype dtype) {
  const int n = int(size_of_shape(shape));
  array x = sin(multiply(arange(0.0, n, 1.0, float32), array(0.7f)));
  return reshape(astype(dtype == complex64 ? multiply(x, array(complex64_t(1, 0.5f))) : x, dtype),
                 shape);
}

using fft::FFTNorm;

TEST(FftFunctions, several_axes_are_one_after_the_other) {
  const array a = sample({4, 6, 5}, complex64);
  EXPECT_LT(relative_error(values(fft::fftn(a)), values(fft::fft(fft::fft(fft::fft(a, 2), 1), 0))),
            kTolerance);
  EXPECT_LT(relative_error(values(fft::fft2(a)), values(fft::fft(fft::fft(a, 1), 2))), kTolerance);
  EXPECT_LT(relative_error(values(fft::ifft2(a, {3, 8}, {0, 2})),
                           values(fft::ifft(fft::ifft(a, 3, 0), 8, 2))),
            kTolerance);
  const array real = sample({4, 6, 5}, float32);
  // The last axis named is the one that is halved.
  const array halved = fft::rfftn(real, {2, 0});
  EXPECT_EQ(halved.shape(), (Shape{3, 6, 5}));
  EXPECT_LT(
      relative_error(values(halved), values(slice(fft::fftn(real, {0, 2}), {0, 0, 0}, {3, 6, 5}))),
      kTolerance);
}

TEST(FftFunctions, inverses_undo) {
  for (FFTNorm norm : {FFTNorm::Backward, FFTNorm::Ortho, FFTNorm::Forward}) {
    const array a = sample({6, 10, 7}, complex64), real = sample({6, 10, 7}, float32);
    EXPECT_LT(relative_error(values(fft::ifftn(fft::fftn(a, norm), norm)), values(a)), kTolerance);
    EXPECT_LT(relative_error(
                  values(fft::irfftn(fft::rfftn(real, norm), Shape{6, 10, 7}, {0, 1, 2}, norm)),
                  values(real)),
              kTolerance);
    EXPECT_LT(relative_error(values(fft::irfft2(fft::rfft2(real, {0, 1}, norm), {0, 1}, norm)),
                             values(real)),
              kTolerance);
    EXPECT_LT(
        relative_error(values(fft::irfft(fft::rfft(real, -1, norm), 7, -1, norm)), values(real)),
        kTolerance);
  }
}

TEST(FftFunctions, norms) {
  const array a = full({9}, 1.0f);
  const auto first = [](const array& spectrum) { return values(spectrum)[0].real(); };
  EXPECT_FLOAT_EQ(first(fft::fft(a)), 9);
  EXPECT_FLOAT_EQ(first(fft::fft(a, 0, FFTNorm::Ortho)), 3);
  EXPECT_FLOAT_EQ(first(fft::rfft(a, 0, FFTNorm::Forward)), 1);
  EXPECT_FLOAT_EQ(first(fft::ifft(a)), 1);
  EXPECT_FLOAT_EQ(first(fft::ifft(a, 0, FFTNorm::Ortho)), 3);
  EXPECT_FLOAT_EQ(first(fft::ifft(a, 0, FFTNorm::Forward)), 9);
}

TEST(FftFunctions, dtypes) {
  for (Dtype dtype : kAllDtypes) {
    const array a = astype(full({8}, 1.0f), dtype);
    EXPECT_EQ(fft::fft(a).dtype(), complex64);
    EXPECT_EQ(fft::rfft(a).dtype(), complex64);
    EXPECT_EQ(fft::irfft(a).dtype(), float32);
    EXPECT_EQ(values(fft::rfft(a)), (Sequence{8, 0, 0, 0, 0})) << dtype;
  }
}

TEST(FftFunctions, mistakes) {
  const array a = zeros({4, 3});
  EXPECT_THROW(fft::fft(array(1.0f)), std::invalid_argument);
  EXPECT_THROW(fft::fft(a, 2), std::invalid_argument);
  EXPECT_THROW(fft::fft(a, 0, 1), std::invalid_argument);
  EXPECT_THROW(fft::fftn(a, {2}, {0, 1}), std::invalid_argument);
  EXPECT_THROW(fft::fftn(a, {0, -2}), std::invalid_argument);
  EXPECT_THROW(fft::irfft(zeros({1})), std::invalid_argument);
  EXPECT_THROW(fft::rfft(zeros({0})), std::invalid_argument);
  EXPECT_THROW(fft::fftfreq(0), std::invalid_argument);
  EXPECT_THROW(fft::fftshift(a, {5}), std::invalid_argument);
  EXPECT_EQ(fft::rfft(zeros({0, 6})).shape(), (Shape{0, 4}));
  EXPECT_EQ(values(fft::fft(zeros({2, 0}), 3, 1)), Sequence(6));
}

TEST(FftFunctions, frequencies) {
  EXPECT_EQ(values(fft::fftfreq(4, 0.5)), (Sequence{0, 0.5, -1, -0.5}));
  EXPECT_EQ(values(fft::fftfreq(5, 0.2)), (Sequence{0, 1, 2, -2, -1}));
  EXPECT_EQ(values(fft::rfftfreq(4, 0.5)), (Sequence{0, 0.5, 1}));
  EXPECT_EQ(values(fft::rfftfreq(5, 0.2)), (Sequence{0, 1, 2}));
  EXPECT_EQ(fft::fftfreq(3).dtype(), float32);
  EXPECT_EQ(fft::rfftfreq(3).dtype(), float32);
}

TEST(FftFunctions, shifts) {
  EXPECT_EQ(values(fft::fftshift(arange(5))), (Sequence{3, 4, 0, 1, 2}));
  EXPECT_EQ(values(fft::ifftshift(arange(5))), (Sequence{2, 3, 4, 0, 1}));
  const array a = reshape(arange(15), {3, 5});
  EXPECT_EQ(values(fft::ifftshift(fft::fftshift(a))), values(a));
  EXPECT_EQ(values(fft::fftshift(a, {0})),
            (Sequence{10, 11, 12, 13, 14, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(fft::fftshift(a).dtype(), int32);
}

}  // namespace
}  // namespace tarn
