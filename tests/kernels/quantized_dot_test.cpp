// The inner loops of products with quantized weights, on every instruction set. Numbers are small
// integers, so that no sum rounds and every result is exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tarn/base/half.h"
#include "tarn/kernels/cpu/fft_row.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/quantized_kernels.h"
#include "tests/kernels/quantization_formats.h"

namespace tarn {
namespace {

using cpu::ScaleKind;

// What to multiply: m rows of x and n rows of codes, k elements each.
struct Problem {
  int bits, group_size;
  ScaleKind scale_kind;
  int n_digits;
  int m, n, k;
  int depth;  // codes of a row that are multiplied at once

  int groups() const { return k / group_size; }
};

std::ostream& operator<<(std::ostream& os, const Problem& p) {
  return os << p.bits << " bits, groups of " << p.group_size << ", scales " << int(p.scale_kind)
            << ", digits " << p.n_digits << ", " << p.m << " rows times " << p.n << " of " << p.k;
}

struct Numbers {
  std::vector<float> x;
  std::vector<unsigned> codes;
  std::vector<float> scales, biases;

  Numbers(const Problem& p, std::mt19937& random)
      : x(size_t(p.m * p.k)),
        codes(size_t(p.n * p.k)),
        scales(size_t(p.n * p.groups())),
        biases(scales.size()) {
    const auto pick = [&](int from, int to) {
      return std::uniform_int_distribution<int>(from, to)(random);
    };
    for (float& value : x) value = float(pick(-6, 6));
    for (unsigned& code : codes) code = unsigned(pick(0, (1 << p.bits) - 1));
    for (float& scale : scales) scale = pick(0, 1) == 0 ? 1 : -0.5f;
    for (float& bias : biases) bias = float(pick(-8, 8));
  }
};

std::vector<float> expected_products(const Problem& p, const Numbers& numbers) {
  std::vector<float> y(size_t(p.m * p.n));
  for (int i = 0; i < p.m; ++i) {
    for (int j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int e = 0; e < p.k; ++e) {
        const size_t group = size_t(j * p.groups() + e / p.group_size);
        const double w =
            double(numbers.codes[size_t(j * p.k + e)]) * double(numbers.scales[group]) +
            double(numbers.biases[group]);
        sum += w * double(numbers.x[size_t(i * p.k + e)]);
      }
      y[size_t(i * p.n + j)] = float(sum);
    }
  }
  return y;
}

template <class T>
std::vector<std::byte> bytes_of(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T value(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}
std::vector<std::byte> bytes_of(ScaleKind kind, const std::vector<float>& values) {
  if (kind == ScaleKind::float32) return bytes_of<float>(values);
  return kind == ScaleKind::float16 ? bytes_of<float16_t>(values) : bytes_of<bfloat16_t>(values);
}

// Memory ends where codes and scales do, so that sanitizers see what is read past them.
std::vector<float> products(const cpu::QuantizedKernels& kernels, const Problem& p,
                            const Numbers& numbers) {
  const auto kind =
      size_t(cpu::code_kind(ops::Quantization{QuantizationMode::Affine, p.group_size, p.bits}));
  const int64_t size = cpu::padded_x(p.k), n_sums = cpu::padded_sums(p.k, p.group_size);
  const cpu::FloatScratch x(p.m * size);
  std::vector<float> row(static_cast<size_t>(size));
  std::vector<float> sums(static_cast<size_t>(p.m * n_sums), NAN);
  for (int i = 0; i < p.m; ++i) {
    std::copy_n(numbers.x.data() + i * p.k, p.k, row.data());
    kernels.arrange[kind](row.data(), p.k, p.group_size, p.n_digits, i, p.m, x.get(), sums.data());
  }
  const std::vector<uint32_t> codes = packed(numbers.codes, p.bits);
  const std::vector<std::byte> scales = bytes_of(p.scale_kind, numbers.scales),
                               biases = bytes_of(p.scale_kind, numbers.biases);
  std::vector<float> y(size_t(p.m * p.n), NAN);
  for (int begin = 0; begin < p.k; begin += p.depth) {
    const int64_t scale_offset = int64_t{begin} / p.group_size * cpu::size_of(p.scale_kind);
    kernels.dot[kind](
        {.codes = reinterpret_cast<const std::byte*>(codes.data()) + begin * p.bits / 8,
         .scales = scales.data() + scale_offset,
         .biases = biases.data() + scale_offset,
         .codes_row = int64_t{p.k} * p.bits / 8,
         .scales_row = int64_t{p.groups()} * cpu::size_of(p.scale_kind),
         .scale_kind = p.scale_kind,
         .group_size = p.group_size,
         .n_codes = std::min(p.depth, p.k - begin),
         .n_rows = p.n,
         .x = x.get(),
         .x_sums = sums.data() + begin / p.group_size,
         .x_row = size,
         .x_sums_row = n_sums,
         .m = p.m,
         .begin = begin,
         .n_digits = p.n_digits,
         .y = y.data(),
         .y_row = p.n,
         .add = begin > 0});
  }
  return y;
}

TEST(QuantizedDot, exact_on_every_instruction_set) {
  std::mt19937 random(1);
  const auto pick = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  const std::vector<Problem> problems = [&] {
    std::vector<Problem> made;
    for (const Format& format : all_formats()) {
      if (!format.is_affine()) continue;
      for (const int n_digits : {0, 2, 3}) {
        for (const int m : {1, 2, 3, 4, 7, 8, 11}) {
          if (n_digits > 0 && (m > 3 || (format.bits != 2 && format.bits != 4))) continue;
          for (const int depth : {2048, 4096}) {
            const int whole = pick(0, 1) * depth;
            made.push_back({format.bits, format.group_size, ScaleKind(pick(0, 2)), n_digits, m,
                            pick(1, 9), whole + format.group_size * pick(1, 5), depth});
          }
        }
      }
    }
    return made;
  }();
  for (const Problem& problem : problems) {
    const Numbers numbers(problem, random);
    const std::vector<float> expected = expected_products(problem, numbers);
    for (const cpu::KernelTable* table : cpu::runnable_kernels()) {
      const cpu::QuantizedKernels kernels = cpu::quantized_kernels(table->isa);
      ASSERT_EQ(products(kernels, problem, numbers), expected) << problem << ", " << table->isa;
    }
  }
}

}  // namespace
}  // namespace tarn
