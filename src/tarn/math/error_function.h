// The error function and its inverse. See approx.h.
#pragma once

#include "tarn/math/logarithm.h"

namespace tarn::math::approx {

// Float only: 1 ULP.
template <class T>
TARN_FN T erf(T x) {
  const T magnitude = abs(x);
  const T z = magnitude * magnitude;
  // erf(m) = m + m p(m^2)
  const T p = polynomial(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90ep-6f,
                         0x1.5405b2p-8f, -0x1.a3f702p-11f, 0x1.496a36p-14f);
  const T near_zero = fma(magnitude, p, magnitude);
  // From 1 on, around a point of whose erf a float is a good approximation. Past the bound erf is
  // within half an ULP of 1.
  const T bounded = select(magnitude > T(3.96f), T(3.96f), magnitude);
  const T far =
      polynomial(bounded - T(0x1.42e148p+1f), 0x1.ffd0bcp-1f, 0x1.fdfcbep-10f, -0x1.419c62p-8f,
                 0x1.f2730cp-8f, -0x1.04bac4p-7f, 0x1.7818f2p-8f, -0x1.6275e2p-9f, 0x1.3a8650p-11f,
                 0x1.aaaaf4p-13f, -0x1.062c2ap-12f, 0x1.6bf9b0p-14f, 0x1.ac739ap-17f,
                 -0x1.1001cap-16f, 0x1.e2b8eap-21f, 0x1.09ce56p-20f);
  return copysign(select(magnitude < T(1), near_zero, far), x);
}

// Float only: 2.5 ULP. Infinite of 1 and -1, NaN beyond.
template <class T>
TARN_FN T erfinv(T x) {
  // erfinv(x) = x p(w), of w = -log(1 - x^2) near 0 and of its root in the tails.
  const T w = -log((T(1) - x) * (T(1) + x));
  const auto is_tail = w > T(5);
  const T u = select(is_tail, sqrt(w) - T(3), w);
  const auto c = [&](float central, float tail) { return select(is_tail, T(tail), T(central)); };
  T p = c(-0x1.2e0e94p-27f, 0x1.e314bep-14f);
  p = fma(p, u, c(0x1.daa8c4p-23f, -0x1.44218ap-12f));
  p = fma(p, u, c(-0x1.0946aap-19f, -0x1.d5c89cp-15f));
  p = fma(p, u, c(0x1.0b4f7p-18f, 0x1.85295cp-10f));
  p = fma(p, u, c(0x1.75d71ap-15f, -0x1.d7928cp-9f));
  p = fma(p, u, c(-0x1.0b5934p-13f, 0x1.74b71p-8f));
  p = fma(p, u, c(-0x1.31f5fcp-9f, -0x1.f48304p-8f));
  p = fma(p, u, c(0x1.7a6d22p-7f, 0x1.35809cp-7f));
  p = fma(p, u, c(0x1.db2a1p-3f, 0x1.006dc6p+0f));
  p = fma(p, u, c(0x1.c5bf88p-1f, 0x1.6a9efcp+1f));
  return select(abs(x) == T(1), copysign(T(FloatFormat<T>::kInfinity), x), x * p);
}

// 2 ULP. Winitzki's estimate, then Halley's method, which triples the digits in each step.
TARN_FN double erfinv_of_double(double x) {
  const double m = ::fabs(x);
  if (!(m < 1)) return m == 1 ? ::copysign(FloatFormat<double>::kInfinity, x) : ::nan("");
  constexpr double kRootPi = 1.7724538509055160273;
  double y = 0.5 * kRootPi * m;
  if (m > 0.1) {
    constexpr double kA = 0.147;
    const double log_term = ::log1p(-m * m);
    const double t = 2 / (3.14159265358979324 * kA) + 0.5 * log_term;
    y = ::sqrt(::sqrt(t * t - log_term / kA) - t);
  }
  for (int step = 0; step < 3; ++step) {
    // Near 1 the difference from 1 has the digits.
    const double error = m < 0.5 ? ::erf(y) - m : (1 - m) - ::erfc(y);
    const double newton = 0.5 * kRootPi * error * ::exp(y * y);
    y -= newton / (1 + newton * y);
  }
  return ::copysign(y, x);
}

}  // namespace tarn::math::approx
