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

// Where formulas tend to break.
template <class T>
std::vector<T> special_elements() {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_same_v<T, bool>) {
    return {false, true};
  } else if constexpr (std::is_integral_v<T>) {
    constexpr int kBits = 8 * sizeof(T);
    return {T(0),
            T(1),
            T(2),
            T(3),
            T(7),
            T(10),
            T(-1),
            T(-2),
            T(-3),
            T(-10),
            T(kBits - 1),
            T(kBits),
            T(100),
            T(T(1) << (kBits / 2)),
            T(Limits::min() + 1),
            T(Limits::max() - 1),
            Limits::min(),
            Limits::max()};
  } else {
    const T lowest = T(-Limits::max());
    return {T(0.0f),
            T(-0.0f),
            T(1.0f),
            T(-1.0f),
            T(0.5f),
            T(-0.5f),
            T(1.5f),
            T(2.5f),
            T(-3.5f),
            T(3.0f),
            T(100.0f),
            T(-1000.0f),
            lowest,
            Limits::max(),
            Limits::min(),
            -Limits::min(),
            Limits::denorm_min(),
            -Limits::denorm_min(),
            Limits::epsilon(),
            Limits::infinity(),
            -Limits::infinity(),
            Limits::quiet_NaN()};
  }
}

template <class T>
T random_special(std::mt19937& random) {
  static const std::vector<T> values = special_elements<T>();
  return values[random() % values.size()];
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
