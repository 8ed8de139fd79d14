// How far elementary functions are from the truth: of floats and of all 16-bit floats, the largest
// error in units in the last place, against the vector functions of the C library in double. Checks
// on the way that instruction sets agree bit for bit. Prints the table of docs/accuracy.md.
//
//   accuracy STRIDE [FUNCTION…]    of every STRIDE-th float; of all, 1, a minute of a core each
#include <fmt/format.h>
#include <immintrin.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "tarn/base/half.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"

namespace {

using namespace tarn;

constexpr size_t kBlock = 1024;
// Four doubles at once, to a few ULP of double (libmvec).
#define TARN_VECTOR_FUNCTIONS(X)                                                                  \
  X(acos)                                                                                         \
  X(acosh)                                                                                        \
  X(asin)                                                                                         \
  X(asinh)                                                                                        \
  X(atan) X(atanh) X(cos) X(cosh) X(erf) X(erfc) X(exp) X(expm1) X(log) X(log10) X(log1p) X(log2) \
      X(sin) X(sinh) X(tan) X(tanh)
#define TARN_DECLARE(name) extern "C" __m256d _ZGVdN4v_##name(__m256d);
TARN_VECTOR_FUNCTIONS(TARN_DECLARE)
#undef TARN_DECLARE

// exact[i] = f(x[i]). `got` is what was computed in float.
using Reference = void (*)(double* exact, const double* x, const double* got);

#define TARN_DEFINE(name)                                                          \
  [[gnu::target("avx2,fma")]] void name##_of_block(double* exact, const double* x, \
                                                   const double*) {                \
    for (size_t i = 0; i < kBlock; i += 4) {                                       \
      _mm256_storeu_pd(exact + i, _ZGVdN4v_##name(_mm256_loadu_pd(x + i)));        \
    }                                                                              \
  }
TARN_VECTOR_FUNCTIONS(TARN_DEFINE)
#undef TARN_DEFINE

void sqrt_of_block(double* exact, const double* x, const double*) {
  for (size_t i = 0; i < kBlock; ++i) exact[i] = std::sqrt(x[i]);
}
void rsqrt_of_block(double* exact, const double* x, const double*) {
  for (size_t i = 0; i < kBlock; ++i) exact[i] = 1 / std::sqrt(x[i]);
}
void sigmoid_of_block(double* exact, const double* x, const double* got) {
  double negative[kBlock];
  for (size_t i = 0; i < kBlock; ++i) negative[i] = -std::fabs(x[i]);
  exp_of_block(exact, negative, got);
  for (size_t i = 0; i < kBlock; ++i) {
    exact[i] = (x[i] < 0 ? exact[i] : 1.0) / (1 + exact[i]);
  }
}
// A step of Newton's method from what was computed, which doubles its digits.
void erfinv_of_block(double* exact, const double* x, const double* got) {
  double y[kBlock], square[kBlock], erf_y[kBlock], erfc_y[kBlock], slope[kBlock];
  for (size_t i = 0; i < kBlock; ++i) {
    y[i] = std::fabs(got[i]);
    square[i] = y[i] * y[i];
  }
  erf_of_block(erf_y, y, got);
  erfc_of_block(erfc_y, y, got);
  exp_of_block(slope, square, got);
  for (size_t i = 0; i < kBlock; ++i) {
    const double m = std::fabs(x[i]);
    const double error = m < 0.5 ? erf_y[i] - m : (1 - m) - erfc_y[i];
    const double root = y[i] - error * slope[i] * 0.88622692545275801365;
    exact[i] = std::copysign(m < 1 ? root : m == 1 ? INFINITY : NAN, x[i]);
  }
}

struct Function {
  ElementwiseOp op;
  Reference reference;
};
constexpr Function kFunctions[] = {
    {ElementwiseOp::arccos, acos_of_block}, {ElementwiseOp::arccosh, acosh_of_block},
    {ElementwiseOp::arcsin, asin_of_block}, {ElementwiseOp::arcsinh, asinh_of_block},
    {ElementwiseOp::arctan, atan_of_block}, {ElementwiseOp::arctanh, atanh_of_block},
    {ElementwiseOp::cos, cos_of_block},     {ElementwiseOp::cosh, cosh_of_block},
    {ElementwiseOp::erf, erf_of_block},     {ElementwiseOp::erfinv, erfinv_of_block},
    {ElementwiseOp::exp, exp_of_block},     {ElementwiseOp::expm1, expm1_of_block},
    {ElementwiseOp::log, log_of_block},     {ElementwiseOp::log10, log10_of_block},
    {ElementwiseOp::log1p, log1p_of_block}, {ElementwiseOp::log2, log2_of_block},
    {ElementwiseOp::rsqrt, rsqrt_of_block}, {ElementwiseOp::sigmoid, sigmoid_of_block},
    {ElementwiseOp::sin, sin_of_block},     {ElementwiseOp::sinh, sinh_of_block},
    {ElementwiseOp::sqrt, sqrt_of_block},   {ElementwiseOp::tan, tan_of_block},
    {ElementwiseOp::tanh, tanh_of_block}};

double to_double(float x) { return x; }
template <HalfType H>
double to_double(H x) {
  return float(x);
}

// One unit in the last place of T, next to x. Doubles that are normal at least.
template <class T>
double ulp_at(double x) {
  using Limits = std::numeric_limits<T>;
  constexpr int kMantissaBits = 52, kBias = 1023;
  const int exponent = int(__builtin_bit_cast(uint64_t, x) >> kMantissaBits & 0x7ff) - kBias;
  const int lowest = Limits::min_exponent - 1;
  const int last = std::max(exponent, lowest) - (Limits::digits - 1);
  return __builtin_bit_cast(double, uint64_t(last + kBias) << kMantissaBits);
}

// What the exact value rounds to has error 0, as has NaN for NaN.
template <class T>
double error_in_ulp(T got, double exact) {
  const double value = to_double(got);
  if (value == exact || value == to_double(T(float(exact)))) return 0;
  if (std::isnan(exact) && std::isnan(value)) return 0;
  if (!std::isfinite(exact) || std::isnan(value)) return INFINITY;
  // Past the largest number as if exponents went on.
  constexpr int kMaxExponent = std::numeric_limits<T>::max_exponent;
  const double finite =
      std::isinf(value) ? std::copysign(std::ldexp(1.0, kMaxExponent), value) : value;
  return std::fabs(finite - exact) / ulp_at<T>(exact);
}

struct Worst {
  double ulp = 0;
  double at = 0;
  uint64_t n_disagreements = 0;  // between instruction sets

  void add(double error, double x) {
    if (error > ulp) {
      ulp = error;
      at = x;
    }
  }
  void add(const Worst& other) {
    add(other.ulp, other.at);
    n_disagreements += other.n_disagreements;
  }
};

template <class T>
bool is_same(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

// Of the patterns first, first + stride, …; past the last one, again of the first ones.
template <class T, class Bits>
void measure_block(const Function& function, uint64_t first, uint64_t stride, Worst& worst) {
  Bits patterns[kBlock];
  for (size_t i = 0; i < kBlock; ++i) patterns[i] = Bits(first + i * stride);
  T x[kBlock], y[kBlock], other[kBlock];
  std::memcpy(static_cast<void*>(x), patterns, sizeof(x));
  double wide_x[kBlock], wide_y[kBlock], exact[kBlock];
  const auto run = [&](const cpu::KernelTable& table, T* out) {
    table.elementwise[int(function.op)][int(dtype_of<T>.val())](out, x, nullptr, nullptr, kBlock);
  };
  const auto tables = cpu::runnable_kernels();
  run(*tables.front(), y);
  for (const cpu::KernelTable* table : tables.subspan(1)) {
    run(*table, other);
    if (std::memcmp(y, other, sizeof(y)) == 0) continue;
    for (size_t i = 0; i < kBlock; ++i) {
      if (!is_same(y[i], other[i])) ++worst.n_disagreements;
    }
  }
  for (size_t i = 0; i < kBlock; ++i) {
    wide_x[i] = to_double(x[i]);
    wide_y[i] = to_double(y[i]);
  }
  function.reference(exact, wide_x, wide_y);
  for (size_t i = 0; i < kBlock; ++i) {
    const double error = std::fabs(wide_y[i] - exact[i]);
    if (error <= worst.ulp * ulp_at<T>(exact[i])) continue;
    worst.add(error_in_ulp(y[i], exact[i]), wide_x[i]);
  }
}

template <class T, class Bits>
Worst measure(const Function& function, uint64_t stride) {
  constexpr uint64_t kPatterns = uint64_t{1} << (8 * sizeof(T));
  std::atomic<uint64_t> next = 0;
  std::mutex mutex;
  Worst worst;
  const auto work = [&] {
    Worst mine;
    for (uint64_t first; (first = next.fetch_add(kBlock * stride)) < kPatterns;) {
      measure_block<T, Bits>(function, first, stride, mine);
    }
    const std::lock_guard lock(mutex);
    worst.add(mine);
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < unsigned(cpu::num_threads()); ++i) threads.emplace_back(work);
  threads.clear();
  return worst;
}

std::string cell(const Worst& worst) {
  const char* const note = worst.n_disagreements != 0 ? ", instruction sets differ" : "";
  return fmt::format("{:.3f} at {:.9g}{}", worst.ulp, worst.at, note);
}

bool is_wanted(std::string_view name, int n_names, char** names) {
  for (int i = 0; i < n_names; ++i) {
    if (name == names[i]) return true;
  }
  return n_names == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t stride = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (stride == 0) {
    fmt::print(stderr, "accuracy STRIDE [FUNCTION…]\n");
    return EXIT_FAILURE;
  }
  fmt::print("| function | float32 | float16 | bfloat16 |\n|---|---|---|---|\n");
  for (const Function& function : kFunctions) {
    const char* const name = traits_of(function.op).info.name;
    if (!is_wanted(name, argc - 2, argv + 2)) continue;
    fmt::print("| {} | {} | {} | {} |\n", name, cell(measure<float, uint32_t>(function, stride)),
               cell(measure<float16_t, uint16_t>(function, 1)),
               cell(measure<bfloat16_t, uint16_t>(function, 1)));
    std::fflush(stdout);
  }
}
