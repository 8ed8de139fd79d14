// The formats of quantized arrays and what their codes stand for, told naively.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/quantized.h"
#include "tests/kernels/array_values.h"
#include "tests/kernels/test_array.h"

namespace tarn {

struct Format {
  std::string mode;
  int group_size, bits;

  bool is_affine() const { return mode == "affine"; }
};

inline std::vector<Format> all_formats() {
  std::vector<Format> formats{{"mxfp4", 32, 4}, {"mxfp8", 32, 8}, {"nvfp4", 16, 4}};
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group_size : {32, 64, 128}) formats.push_back({"affine", group_size, bits});
  }
  return formats;
}

inline std::ostream& operator<<(std::ostream& os, const Format& format) {
  return os << format.mode << " in groups of " << format.group_size << " at " << format.bits;
}

// Codes as a stream of bits, the lowest first.
inline std::vector<uint32_t> packed(const std::vector<unsigned>& codes, int bits) {
  std::vector<uint32_t> words((codes.size() * size_t(bits) + 31) / 32);
  for (size_t i = 0; i < codes.size(); ++i) {
    for (int bit = 0; bit < bits; ++bit) {
      const size_t place = i * size_t(bits) + size_t(bit);
      words[place / 32] |= (codes[i] >> bit & 1u) << place % 32;
    }
  }
  return words;
}

inline double float4_value(unsigned code) {
  constexpr double kValues[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return code < 8 ? kValues[code] : -kValues[code - 8];
}

inline double float8_value(unsigned code) {
  const int exponent = int(code >> 3 & 15);
  const double mantissa = code & 7;
  if ((code & 0x7f) == 0x7f) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa / 8, -6) : std::ldexp(1 + mantissa / 8, exponent - 7);
  return code & 0x80 ? -magnitude : magnitude;
}

// Of a code before it is scaled.
inline double code_value(const Format& format, unsigned code) {
  if (format.is_affine()) return code;
  return format.bits == 4 ? float4_value(code) : float8_value(code);
}

// Normally distributed.
inline array random_numbers(std::mt19937& random, const Shape& shape, Dtype dtype = float32) {
  std::normal_distribution<float> normal;
  std::vector<float> values(size_t(size_of_shape(shape)));
  for (float& x : values) x = normal(random);
  return astype(array(values.begin(), shape), dtype);
}

struct QuantizedArray {
  array codes, scales;
  std::optional<array> biases;
};

inline QuantizedArray quantized(const array& w, const Format& format) {
  const std::vector<array> parts = quantize(w, format.group_size, format.bits, format.mode);
  return {parts[0], parts[1], format.is_affine() ? std::optional(parts[2]) : std::nullopt};
}

inline array dequantized(const QuantizedArray& w, const Format& format,
                         std::optional<Dtype> dtype = std::nullopt) {
  return dequantize(w.codes, w.scales, w.biases, format.group_size, format.bits, format.mode,
                    std::nullopt, dtype);
}

}  // namespace tarn
