#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/shape.h"
#include "tests/kernels/quantization_formats.h"

namespace tarn {
namespace {

struct Group {
  std::vector<unsigned> codes;
  double scale, bias;  // before they are stored
};

// The formulas of the affine mode, in float.
Group affine_group(const std::vector<float>& w, int bits) {
  const float low = *std::min_element(w.begin(), w.end());
  const float high = *std::max_element(w.begin(), w.end());
  const float n_steps = float((1 << bits) - 1);
  float scale = std::max((high - low) / n_steps, 1e-7f), bias = 0;
  const bool low_is_farther = std::fabs(low) > std::fabs(high);
  if (!low_is_farther) scale = -scale;
  const float edge = low_is_farther ? low : high;
  const float code = std::rint(edge / scale);
  if (code != 0) {
    scale = edge / code;
    bias = edge;
  }
  Group group{{}, scale, bias};
  for (float x : w) {
    group.codes.push_back(unsigned(std::clamp(std::rint((x - bias) / scale), 0.0f, n_steps)));
  }
  return group;
}

// The code with the nearest value; of two, the even one.
unsigned nearest_code(double x, int bits) {
  const unsigned sign = std::signbit(x) ? 1u << (bits - 1) : 0;
  const double magnitude = std::min(std::fabs(x), bits == 4 ? 6.0 : 448.0);
  const auto distance = [&](unsigned code) {
    return std::fabs((bits == 4 ? float4_value(code) : float8_value(code)) - magnitude);
  };
  unsigned best = 0;
  for (unsigned code = 1; code < (bits == 4 ? 8u : 0x7fu); ++code) {
    const bool is_nearer = distance(code) < distance(best);
    if (is_nearer || (distance(code) == distance(best) && code % 2 == 0)) best = code;
  }
  return best | sign;
}

// In float where the formulas are: a quotient may be halfway between two codes.
Group float_group(const std::vector<float>& w, const Format& format, float factor) {
  float magnitude = 0;
  for (float x : w) magnitude = std::max(magnitude, std::fabs(x));
  const float scale = magnitude / (format.bits == 4 ? 6.0f : 448.0f);
  Group group{{}, 0, 0};
  if (format.mode == "nvfp4") {
    group.scale = float8_value(nearest_code(scale * factor, 8));
  } else {
    const double exponent = scale == 0 ? -127 : std::round(std::log2(double(scale)));
    group.scale = std::ldexp(1.0, int(std::clamp(exponent, -127.0, 127.0)));
  }
  for (float x : w) {
    const float scaled = group.scale == 0 ? 0 : x * factor / float(group.scale);
    group.codes.push_back(nearest_code(scaled, format.bits));
  }
  return group;
}

std::vector<Group> groups_of(const array& w, const Format& format, float factor = 1) {
  const std::vector<float> numbers = values_of<float>(w);
  std::vector<Group> groups;
  for (size_t i = 0; i < numbers.size(); i += size_t(format.group_size)) {
    const std::vector<float> part(numbers.begin() + i, numbers.begin() + i + format.group_size);
    groups.push_back(format.is_affine() ? affine_group(part, format.bits)
                                        : float_group(part, format, factor));
  }
  return groups;
}

double stored(double x, Dtype dtype) {
  if (dtype == float16) return double(float16_t(float(x)));
  if (dtype == bfloat16) return double(bfloat16_t(float(x)));
  return x;
}

// Codes, scales and biases, bit by bit.
void expect_quantized(const array& w, const Format& format,
                      const std::optional<array>& global_scale = std::nullopt) {
  const float factor = global_scale ? kNvfp4Range / array(*global_scale).item<float>() : 1;
  const std::vector<array> got =
      quantize(w, format.group_size, format.bits, format.mode, global_scale);
  ASSERT_EQ(got.size(), format.is_affine() ? 3u : 2u);
  Shape shape = w.shape();
  shape.back() = shape.back() / format.group_size;
  EXPECT_EQ(got[1].shape(), shape);
  EXPECT_EQ(got[1].dtype(), format.is_affine() ? w.dtype() : uint8);
  shape.back() = w.shape(-1) * format.bits / 32;
  EXPECT_EQ(got[0].shape(), shape);
  EXPECT_EQ(got[0].dtype(), uint32);

  std::vector<unsigned> codes;
  std::vector<double> scales, biases;
  for (const Group& group : groups_of(w, format, factor)) {
    codes.insert(codes.end(), group.codes.begin(), group.codes.end());
    scales.push_back(stored(group.scale, w.dtype()));
    biases.push_back(stored(group.bias, w.dtype()));
  }
  ASSERT_EQ(values_of<uint32_t>(got[0]), packed(codes, format.bits)) << format;
  std::vector<double> got_scales = values_of(got[1]);
  if (!format.is_affine()) {
    for (double& scale : got_scales) {
      scale = format.mode == "nvfp4" ? float8_value(unsigned(scale)) : std::exp2(scale - 127);
    }
  }
  EXPECT_EQ(got_scales, scales) << format;
  if (format.is_affine()) {
    EXPECT_EQ(got[2].dtype(), w.dtype());
    EXPECT_EQ(values_of(got[2]), biases) << format;
  }
}

TEST(Quantize, codes_and_scales_of_every_format) {
  std::mt19937 random(1);
  for (const Format& format : all_formats()) {
    for (const Dtype dtype : {float32, float16, bfloat16, float64}) {
      // One group, and several blocks of them.
      expect_quantized(random_numbers(random, {1, format.group_size}, dtype), format);
      expect_quantized(random_numbers(random, {3, 70, format.group_size}, dtype), format);
      expect_quantized(random_numbers(random, {5, 3 * format.group_size}, dtype), format);
    }
  }
}

TEST(Quantize, numbers_of_all_sizes) {
  std::mt19937 random(2);
  for (const Format& format : all_formats()) {
    for (const float size : {1e-30f, 1e-9f, 1e-3f, 1e4f, 1e30f}) {
      array w = multiply(random_numbers(random, {4, 2 * format.group_size}), array(size));
      expect_quantized(w, format);
      // One sign only.
      expect_quantized(abs(w), format);
      expect_quantized(negative(abs(w)), format);
    }
  }
}

TEST(Quantize, layouts) {
  std::mt19937 random(3);
  for (const Format& format : all_formats()) {
    const int n = 2 * format.group_size;
    expect_quantized(transpose(random_numbers(random, {n, 7})), format);
    expect_quantized(broadcast_to(random_numbers(random, {1, n}), {3, n}), format);
    expect_quantized(slice(random_numbers(random, {6, n + 3}), {1, 2}, {6, n + 2}, {2, 1}), format);
    expect_quantized(zeros({0, n}), format);
    expect_quantized(zeros({3, 0}), format);
  }
}

TEST(Quantize, global_scale_of_nvfp4) {
  std::mt19937 random(4);
  for (const float size : {1e-6f, 1.0f, 1e5f}) {
    const array w = multiply(random_numbers(random, {8, 64}), array(size));
    expect_quantized(w, {"nvfp4", 16, 4}, array(4 * size));
  }
}

TEST(Quantize, what_comes_back_is_near) {
  std::mt19937 random(5);
  for (const Format& format : all_formats()) {
    const array w = random_numbers(random, {6, 2 * format.group_size});
    const QuantizedArray q = quantized(w, format);
    const std::vector<double> numbers = values_of(w);
    const std::vector<double> got = values_of(dequantized(q, format, float32));
    const std::vector<Group> groups = groups_of(w, format);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const Group& group = groups[i / size_t(format.group_size)];
      const unsigned code = group.codes[i % size_t(format.group_size)];
      const double error = std::fabs(got[i] - numbers[i]), step = std::fabs(group.scale);
      if (format.is_affine()) {
        // At the ends, the changed scale may reach one step less far than the numbers.
        const bool is_end = code == 0 || code + 1 == 1u << format.bits;
        EXPECT_LE(error, step * (is_end ? 1 : 0.5) + 1e-6) << format;
      } else {
        // Half the distance to the next larger code; past the largest, as far as scales are
        // rounded.
        const double value = std::fabs(code_value(format, code));
        const bool is_largest = value == (format.bits == 4 ? 6 : 448);
        const double distance =
            format.bits == 4 ? std::max(0.5, value / 2) : std::max(0x1p-9, value / 8);
        EXPECT_LE(error, step * (is_largest ? value * 0.42 : distance / 2) + 1e-6) << format;
      }
    }
  }
}

TEST(Quantize, zeros_come_back_as_zeros) {
  for (const Format& format : all_formats()) {
    for (const Dtype dtype : {float32, float16, bfloat16}) {
      const array w = zeros({2, format.group_size}, dtype);
      for (double x : values_of(dequantized(quantized(w, format), format))) EXPECT_EQ(x, 0);
    }
  }
}

TEST(Quantize, what_is_not_finite_has_codes_within_bits) {
  for (const Format& format : all_formats()) {
    for (const float special : {NAN, INFINITY, -INFINITY}) {
      std::vector<float> values(size_t(2 * format.group_size), 6.0f);
      values[3] = special;
      const array w(values.begin(), {2, format.group_size});
      const QuantizedArray q = quantized(w, format);
      const std::vector<double> got = values_of(dequantized(q, format, float32));
      // The other group is not touched by it.
      for (size_t i = size_t(format.group_size); i < got.size(); ++i) EXPECT_EQ(got[i], 6);
    }
  }
}

TEST(Dequantize, every_code) {
  std::mt19937 random(6);
  for (const Format& format : all_formats()) {
    const int n_groups = 3 * 70;
    const int n = n_groups * format.group_size;
    std::vector<unsigned> codes(n);
    for (unsigned& code : codes) code = unsigned(random()) % (1u << format.bits);
    const std::vector<uint32_t> words = packed(codes, format.bits);
    std::vector<double> scales(n_groups), biases(n_groups);
    std::vector<unsigned> scale_codes(n_groups);
    for (int i = 0; i < n_groups; ++i) {
      scale_codes[i] = i < 255 ? unsigned(i) : 100u;
      if (format.mode == "nvfp4") scale_codes[i] %= 0x7f;
      // What every dtype holds.
      scales[i] = format.is_affine()       ? pick(random, -20, 20) / 16.0
                  : format.mode == "nvfp4" ? float8_value(scale_codes[i])
                                           : std::exp2(double(scale_codes[i]) - 127);
      biases[i] = format.is_affine() ? pick(random, -20, 20) / 4.0 : 0;
    }
    for (const Dtype dtype : {float32, float16, bfloat16, float64}) {
      const QuantizedArray q{array(words.begin(), {3, 70, format.group_size * format.bits / 32}),
                             format.is_affine() ? array(scales.begin(), {3, 70, 1}, dtype)
                                                : array(scale_codes.begin(), {3, 70, 1}, uint8),
                             format.is_affine()
                                 ? std::optional(array(biases.begin(), {3, 70, 1}, dtype))
                                 : std::nullopt};
      const array result =
          dequantized(q, format, format.is_affine() ? std::nullopt : std::optional<Dtype>(dtype));
      EXPECT_EQ(result.dtype(), dtype);
      EXPECT_EQ(result.shape(), (Shape{3, 70, format.group_size}));
      const std::vector<double> got = values_of(result);
      for (int i = 0; i < n; ++i) {
        const int group = i / format.group_size;
        const double value = code_value(format, codes[i]) * scales[group] + biases[group];
        const double want = stored(double(float(value)), dtype);
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(got[i])) << format;
        } else {
          ASSERT_EQ(got[i], want) << format << ", code " << codes[i] << " of group " << group;
        }
      }
    }
  }
}

TEST(Dequantize, a_power_of_two_that_is_none) {
  const array codes = full({1, 4}, array(0x11111111u));
  for (double x : values_of(dequantize(codes, full({1, 1}, array(255), uint8), std::nullopt, 32, 4,
                                       "mxfp4", std::nullopt, float32))) {
    EXPECT_TRUE(std::isnan(x));
  }
}

TEST(Dequantize, default_dtypes_and_global_scale) {
  std::mt19937 random(7);
  const array w = random_numbers(random, {4, 64}, float16);
  const std::vector<array> affine = quantize(w);
  EXPECT_EQ(affine[0].shape(), (Shape{4, 8}));
  EXPECT_EQ(dequantize(affine[0], affine[1], affine[2]).dtype(), float16);
  EXPECT_EQ(
      dequantize(affine[0], affine[1], affine[2], 64, 4, "affine", std::nullopt, float32).dtype(),
      float32);
  const array global_scale(5.0f);
  const std::vector<array> q = quantize(w, std::nullopt, std::nullopt, "nvfp4", global_scale);
  const auto back = [&](const std::optional<array>& scale) {
    return dequantize(q[0], q[1], std::nullopt, std::nullopt, std::nullopt, "nvfp4", scale,
                      float32);
  };
  EXPECT_EQ(dequantize(q[0], q[1], std::nullopt, 16, 4, "nvfp4").dtype(), bfloat16);
  const std::vector<double> scaled = values_of(back(global_scale)), raw = values_of(back({}));
  for (size_t i = 0; i < raw.size(); ++i) {
    EXPECT_NEAR(scaled[i], raw[i] * 5 / kNvfp4Range, std::fabs(scaled[i]) * 1e-6);
  }
}

TEST(Quantize, mistakes) {
  const array w = zeros({4, 64});
  for (const Format& format :
       {Format{"affine", 16, 4}, Format{"affine", 64, 7}, Format{"affine", 0, 4},
        Format{"mxfp4", 64, 4}, Format{"mxfp8", 32, 4}, Format{"nvfp4", 32, 4},
        Format{"int4", 32, 4}, Format{"affine", 128, 4}}) {
    EXPECT_THROW(quantize(w, format.group_size, format.bits, format.mode), std::invalid_argument)
        << format;
  }
  EXPECT_THROW(quantize(zeros({64})), std::invalid_argument);
  EXPECT_THROW(quantize(zeros({4, 64}, int32)), std::invalid_argument);
  EXPECT_THROW(quantize(zeros({4, 64}, complex64)), std::invalid_argument);
  EXPECT_THROW(quantize(w, {}, {}, "affine", array(1.0f)), std::invalid_argument);
  EXPECT_THROW(quantize(w, {}, {}, "nvfp4", array(1)), std::invalid_argument);
  EXPECT_THROW(quantize(w, {}, {}, "nvfp4", ones({2})), std::invalid_argument);
  EXPECT_THAT([&] { quantize(w, 16); },
              testing::ThrowsMessage<std::invalid_argument>(
                  testing::StrEq("[quantize] mode affine has no group size 16.")));
}

TEST(Dequantize, mistakes) {
  const array codes = zeros({4, 8}, uint32), scales = ones({4, 1}), bytes = ones({4, 2}, uint8);
  EXPECT_NO_THROW(dequantize(codes, scales, scales));
  EXPECT_NO_THROW(dequantize(codes, bytes, {}, {}, {}, "mxfp4"));
  EXPECT_THROW(dequantize(codes, scales), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, scales, ones({4, 2})), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, ones({4, 2}), ones({4, 2})), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, ones({4, 1}, int32), scales), std::invalid_argument);
  EXPECT_THROW(dequantize(zeros({4, 8}, int32), scales, scales), std::invalid_argument);
  EXPECT_THROW(dequantize(zeros({8}, uint32), ones({1}), ones({1})), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, bytes, bytes, {}, {}, "mxfp4"), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, ones({4, 2}), {}, {}, {}, "mxfp4"), std::invalid_argument);
  EXPECT_THROW(dequantize(codes, scales, scales, {}, {}, "affine", {}, int32),
               std::invalid_argument);
  EXPECT_THROW(dequantize(codes, bytes, {}, {}, {}, "mxfp4", array(1.0f)), std::invalid_argument);
}

TEST(QuantizationMode, names) {
  for (const char* name : {"affine", "mxfp4", "mxfp8", "nvfp4"}) {
    EXPECT_EQ(quantization_mode_to_string(string_to_quantization_mode(name)), name);
  }
  EXPECT_THROW(string_to_quantization_mode("fp4", "tag"), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
