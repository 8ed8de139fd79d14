// Random operands: ordinary values, special ones, and any bits at all.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/ops/op_info.h"

namespace tarn {

template <class T>
T random_bits(std::mt19937& random) {
  unsigned char bytes[sizeof(T)];
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
  T value;
  std::memcpy(static_cast<void*>(&value), bytes, sizeof(T));
  return value;
}

template <class T>
T random_special(std::mt19937& random) {
  using Limits = std::numeric_limits<T>;
  const T values[] = {T(0.0f),
                      T(-0.0f),
                      T(1.0f),
                      T(-1.0f),
                      T(0.5f),
                      T(2.5f),
                      T(-3.5f),
                      Limits::infinity(),
                      T(-Limits::infinity()),
                      Limits::max(),
                      Limits::lowest(),
                      Limits::min(),
                      Limits::denorm_min(),
                      Limits::quiet_NaN()};
  return values[random() % std::size(values)];
}

template <class T>
T random_element(std::mt19937& random, const Domain& domain) {
  if constexpr (std::is_same_v<T, bool>) {
    return random() % 2 != 0;
  } else if constexpr (std::is_integral_v<T>) {
    return random() % 2 != 0 ? T(int(random() % 13) - 4) : random_bits<T>(random);
  } else if constexpr (is_complex<T>) {
    std::uniform_real_distribution<float> part(-3, 3);
    const auto grid = [&](float x) { return random() % 3 == 0 ? std::floor(x) : x; };
    const float real = grid(part(random));
    return T(real, grid(part(random)));
  } else {
    const auto kind = random() % 10;
    if (kind == 0) return random_special<T>(random);
    if (kind == 1) return random_bits<T>(random);
    const double x = std::uniform_real_distribution(domain.low, domain.high)(random);
    if constexpr (HalfType<T>) return T(float(x));
    return T(x);
  }
}

template <class T>
std::vector<T> random_elements(std::mt19937& random, size_t n, const Domain& domain = {}) {
  std::vector<T> result(n);
  for (size_t i = 0; i < n; ++i) result[i] = random_element<T>(random, domain);
  return result;
}

}  // namespace tarn
