// complex64_t: a pair of floats, with the order that sorting and max need (real part first, then
// imaginary).
#pragma once

#include <cmath>
#include <complex>
#include <type_traits>

#include "tarn/base/fn.h"
#include "tarn/base/half.h"

namespace tarn {

struct complex64_t;

// Scalars that become the real part of a complex number without being asked.
template <class T>
concept ComplexScalar = std::is_arithmetic_v<T> || HalfType<T>;

struct complex64_t : std::complex<float> {
  complex64_t() = default;
  constexpr complex64_t(float real, float imag) : std::complex<float>(real, imag) {}
  constexpr complex64_t(std::complex<float> z) : std::complex<float>(z) {}
  template <ComplexScalar T>
  constexpr complex64_t(T x) : std::complex<float>(static_cast<float>(x)) {}

  // The real part: what a cast to a real dtype keeps.
  constexpr operator float() const { return real(); }
};

template <class T>
inline constexpr bool is_complex = std::is_same_v<T, complex64_t>;

// Overloads for scalars exist because operator float would otherwise win over the complex meaning.
#define TARN_COMPLEX_BINARY(Result, op, expression)                                            \
  inline Result operator op(const complex64_t& a, const complex64_t& b) { return expression; } \
  inline Result operator op(const complex64_t& a, const std::complex<float>& z) {              \
    const complex64_t b = z;                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  inline Result operator op(const std::complex<float>& z, const complex64_t& b) {              \
    const complex64_t a = z;                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  template <ComplexScalar T>                                                                   \
  Result operator op(const complex64_t& a, T x) {                                              \
    const complex64_t b = x;                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  template <ComplexScalar T>                                                                   \
  Result operator op(T x, const complex64_t& b) {                                              \
    const complex64_t a = x;                                                                   \
    return expression;                                                                         \
  }

namespace complex_detail {

inline const std::complex<float>& base(const complex64_t& z) { return z; }

// The remainder with the sign of the divisor, as Python's %.
inline float floor_remainder(float a, float b) {
  const float r = std::fmod(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

inline bool less(const complex64_t& a, const complex64_t& b) {
  return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
}

inline bool equal(const complex64_t& a, const complex64_t& b) {
  return a.real() == b.real() && a.imag() == b.imag();
}

}  // namespace complex_detail

TARN_COMPLEX_BINARY(complex64_t, +, complex_detail::base(a) + complex_detail::base(b))
TARN_COMPLEX_BINARY(complex64_t, -, complex_detail::base(a) - complex_detail::base(b))
TARN_COMPLEX_BINARY(complex64_t, *, complex_detail::base(a) * complex_detail::base(b))
TARN_COMPLEX_BINARY(complex64_t, /, complex_detail::base(a) / complex_detail::base(b))
TARN_COMPLEX_BINARY(bool, ==, complex_detail::equal(a, b))
TARN_COMPLEX_BINARY(bool, !=, !complex_detail::equal(a, b))
TARN_COMPLEX_BINARY(bool, <, complex_detail::less(a, b))
TARN_COMPLEX_BINARY(bool, >, complex_detail::less(b, a))
TARN_COMPLEX_BINARY(bool, <=, complex_detail::less(a, b) || complex_detail::equal(a, b))
TARN_COMPLEX_BINARY(bool, >=, complex_detail::less(b, a) || complex_detail::equal(a, b))
// Part by part: complex numbers have no remainder, but the interface has one.
TARN_COMPLEX_BINARY(complex64_t, %,
                    complex64_t(complex_detail::floor_remainder(a.real(), b.real()),
                                complex_detail::floor_remainder(a.imag(), b.imag())))
#undef TARN_COMPLEX_BINARY

inline complex64_t operator-(const complex64_t& z) { return {-z.real(), -z.imag()}; }

}  // namespace tarn
