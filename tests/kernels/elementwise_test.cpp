// Every elementwise kernel of every instruction set, against plain scalar code.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "tarn/kernels/cpu/kernel_table.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

using cpu::KernelTable;
using cpu::TileKernel;

// Exactly n elements, so that AddressSanitizer sees any access past the end. (vector<bool> is
// none.)
template <class T>
class Elements {
 public:
  explicit Elements(size_t n) : size_(n), data_(new T[n]()) {}
  Elements(std::mt19937& random, size_t n, const Domain& domain) : Elements(n) {
    for (size_t i = 0; i < n; ++i) data_[i] = random_element<T>(random, domain);
  }
  T* data() { return data_.get(); }
  T& operator[](size_t i) { return data_[i]; }

 private:
  size_t size_;
  std::unique_ptr<T[]> data_;
};

template <class F>
void for_each_op(F f) {
  for (int i = 1; i < kElementwiseOpCount; ++i) f(ElementwiseOp(i), kElementwiseTraits[i]);
}

std::string describe(const KernelTable& table, ElementwiseOp op, Dtype dtype) {
  return std::string(traits_of(op).info.name) + " on " + dtype_name(dtype) + " with " + table.isa;
}

// Whether `got`, of type R, is what op gives of x and y.
template <class T, class R>
bool is_right(ElementwiseOp op, T x, T y, R got) {
  if constexpr (std::is_same_v<T, bool>) {
    return got == bool_reference(op, x, y);
  } else if constexpr (std::is_same_v<T, uint8_t> && std::is_same_v<R, float>) {
    return is_close<R>(got, float8_reference(x), 0);
  } else if constexpr (std::is_same_v<T, float> && std::is_same_v<R, uint8_t>) {
    return got == float8_code_reference(x);
  } else if constexpr (std::is_integral_v<T>) {
    return got == R(integer_reference<T>(op, x, y));
  } else if constexpr (is_complex<T>) {
    const Complex expected = complex_reference(op, {x.real(), x.imag()}, {y.real(), y.imag()});
    if constexpr (std::is_same_v<R, bool>) {
      return got == (expected.real() != 0);
    } else {
      const Complex value = [&] {
        if constexpr (is_complex<R>) return Complex(got.real(), got.imag());
        return Complex(got);
      }();
      if (!std::isfinite(expected.real()) || !std::isfinite(expected.imag())) return true;
      return std::abs(value - expected) <= 4 * ulp_at<float>(std::abs(expected));
    }
  } else {
    using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const double expected = reference<Compute>(op, to_double(x), to_double(y));
    if constexpr (std::is_same_v<R, bool>) return got == (expected != 0);
    if (op == ElementwiseOp::logaddexp) {
      // Where the sum cancels, what was rounded off its terms remains.
      const double terms =
          std::fmax(std::fmax(std::fabs(to_double(x)), std::fabs(to_double(y))), 1);
      if (std::fabs(to_double(got) - expected) <= 2 * ulp_at<R>(terms)) return true;
    }
    return is_close<R>(got, expected, HalfType<R> ? 0.51 : tolerance_ulp(op));
  }
}

template <class T, class R>
void check_kernel(const KernelTable& table, ElementwiseOp op, std::mt19937& random) {
  const TileKernel kernel = table.elementwise[int(op)][int(dtype_of<T>.val())];
  ASSERT_TRUE(kernel) << describe(table, op, dtype_of<T>);
  const Domain domain = traits_of(op).domain;
  for (size_t n : {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130, 1000}) {
    Elements<T> x(random, n, domain), y(random, n, domain);
    Elements<R> out(n);
    kernel(out.data(), x.data(), y.data(), nullptr, n);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_TRUE((is_right<T, R>(op, x[i], y[i], out[i])))
          << describe(table, op, dtype_of<T>) << " at " << i << " of " << n;
    }
    if constexpr (sizeof(T) == sizeof(R)) {
      kernel(x.data(), x.data(), y.data(), nullptr, n);
      ASSERT_EQ(std::memcmp(x.data(), out.data(), n * sizeof(T)), 0)
          << describe(table, op, dtype_of<T>) << " in place";
    }
  }
}

// Every special element with every other.
template <class T, class R>
void check_special_elements(const KernelTable& table, ElementwiseOp op) {
  const std::vector<T> special = special_elements<T>();
  const size_t n = special.size() * special.size();
  Elements<T> x(n), y(n);
  Elements<R> out(n);
  for (size_t i = 0; i < n; ++i) {
    x[i] = special[i / special.size()];
    y[i] = special[i % special.size()];
  }
  table.elementwise[int(op)][int(dtype_of<T>.val())](out.data(), x.data(), y.data(), nullptr, n);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_TRUE((is_right<T, R>(op, x[i], y[i], out[i])))
        << describe(table, op, dtype_of<T>) << " of " << x[i] << " and " << y[i] << " is "
        << out[i];
  }
}

// Calls f(table, op, type_tag of the operands, type_tag of the result) for every kernel of one or
// two operands.
template <class F>
void for_each_kernel(F f) {
  for (const KernelTable* table : cpu::runnable_kernels()) {
    for_each_op([&](ElementwiseOp op, const ElementwiseTraits& traits) {
      if (traits.arity == 3) return;
      for (Dtype dtype : kAllDtypes) {
        if (!computes_in(traits.dtypes, dtype)) {
          EXPECT_FALSE(table->elementwise[int(op)][int(dtype.val())])
              << describe(*table, op, dtype);
          continue;
        }
        visit(dtype, [&]<class T>(type_tag<T> operand) {
          visit(result_dtype(traits.dtypes, dtype), [&]<class R>(type_tag<R> result) {
            if constexpr (kGives<T, R>) {
              f(*table, op, operand, result);
            } else {
              ADD_FAILURE() << describe(*table, op, dtype) << " gives what kGives leaves out";
            }
          });
        });
      }
    });
  }
}

TEST(Elementwise, every_operation_and_dtype_agrees_with_scalar_code) {
  std::mt19937 random(1);
  for_each_kernel([&]<class T, class R>(const KernelTable& table, ElementwiseOp op, type_tag<T>,
                                        type_tag<R>) { check_kernel<T, R>(table, op, random); });
}

TEST(Elementwise, special_elements_agree_with_scalar_code) {
  for_each_kernel(
      []<class T, class R>(const KernelTable& table, ElementwiseOp op, type_tag<T>, type_tag<R>) {
        if constexpr (!is_complex<T>) check_special_elements<T, R>(table, op);
      });
}

template <class T>
void check_where(const KernelTable& table, std::mt19937& random) {
  const TileKernel kernel = table.elementwise[int(ElementwiseOp::where)][int(dtype_of<T>.val())];
  for (size_t n : {0, 1, 5, 16, 17, 63, 64, 200}) {
    Elements<bool> condition(random, n, {});
    Elements<T> x(random, n, {}), y(random, n, {}), out(n);
    kernel(out.data(), condition.data(), x.data(), y.data(), n);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(std::memcmp(&out[i], condition[i] ? &x[i] : &y[i], sizeof(T)), 0)
          << describe(table, ElementwiseOp::where, dtype_of<T>) << " at " << i << " of " << n;
    }
  }
}

TEST(Elementwise, where_chooses_in_every_dtype) {
  std::mt19937 random(2);
  for (const KernelTable* table : cpu::runnable_kernels()) {
    for (Dtype dtype : kAllDtypes) {
      visit(dtype, [&]<class T>(type_tag<T>) { check_where<T>(*table, random); });
    }
  }
}

// What a cast is documented to give, by way of types that hold every value involved.
template <class To, class From>
To cast_reference(From x) {
  if constexpr (is_complex<From>) {
    if constexpr (std::is_same_v<To, bool>) {
      return x.real() != 0 || x.imag() != 0;
    } else if constexpr (is_complex<To>) {
      return x;
    } else {
      return cast_reference<To>(x.real());
    }
  } else if constexpr (is_complex<To>) {
    return To(cast_reference<float>(x), 0.0f);
  } else if constexpr (std::is_same_v<To, bool>) {
    return to_double(x) != 0;
  } else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    using Wide = std::conditional_t<sizeof(To) < 4, int32_t, To>;
    const double value = to_double(x);
    if (std::isnan(value)) return 0;
    if (value >= double(std::numeric_limits<Wide>::max()))
      return To(std::numeric_limits<Wide>::max());
    if (value <= double(std::numeric_limits<Wide>::min()))
      return To(std::numeric_limits<Wide>::min());
    return To(Wide(value));
  } else if constexpr (HalfType<To>) {
    return To(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void check_cast(const KernelTable& table, std::mt19937& random) {
  const TileKernel kernel = table.cast[int(dtype_of<From>.val())][int(dtype_of<To>.val())];
  ASSERT_EQ(!kernel, (std::is_same_v<From, To>));
  if (!kernel) return;
  for (size_t n : {0, 1, 15, 63, 64, 65, 300}) {
    Elements<From> x(random, n, {-1000, 1000});
    Elements<To> out(n);
    kernel(out.data(), x.data(), nullptr, nullptr, n);
    for (size_t i = 0; i < n; ++i) {
      const To expected = cast_reference<To>(x[i]);
      const bool is_nan = expected != expected && out[i] != out[i];
      ASSERT_TRUE(is_nan || std::memcmp(&out[i], &expected, sizeof(To)) == 0)
          << dtype_name(dtype_of<From>) << " to " << dtype_name(dtype_of<To>) << " with "
          << table.isa << " at " << i << " of " << n;
    }
  }
}

TEST(Elementwise, casts_between_all_dtypes) {
  std::mt19937 random(3);
  for (const KernelTable* table : cpu::runnable_kernels()) {
    for (Dtype from : kAllDtypes) {
      for (Dtype to : kAllDtypes) {
        visit(from, [&]<class From>(type_tag<From>) {
          visit(to, [&]<class To>(type_tag<To>) { check_cast<From, To>(*table, random); });
        });
      }
    }
  }
}

// There, errors of the logarithm count most.
TEST(Elementwise, powers_near_the_largest_and_smallest) {
  std::mt19937 random(9);
  std::uniform_real_distribution<double> log_of_result(-126, 127), log_of_base(-2, 2);
  std::vector<float> x(100'000), y(x.size()), out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = float(std::exp2(log_of_base(random)));
    y[i] = float(log_of_result(random) / std::log2(x[i]));
  }
  x[0] = 0x1.65ec46p+0f;  // 1.95 ULP off
  y[0] = -0x1.dbd9b2p+7f;
  for (const KernelTable* table : cpu::runnable_kernels()) {
    const int power = int(ElementwiseOp::power);
    table->elementwise[power][int(Dtype::Val::float32)](out.data(), x.data(), y.data(), nullptr,
                                                        x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE((is_right<float, float>(ElementwiseOp::power, x[i], y[i], out[i])))
          << table->isa << ": " << x[i] << " to the power " << y[i] << " is " << out[i];
    }
  }
}

// A sweep of the floats, subnormals, infinities and NaNs among them, at a stride that is prime.
TEST(Elementwise, transcendental_functions_over_all_floats) {
  constexpr uint32_t kStride = 4093;
  constexpr ElementwiseOp kOps[] = {
#define TARN_OP(name, Type) ElementwiseOp::name,
      TARN_ELEMENTARY_OPS(TARN_OP)
#undef TARN_OP
  };
  std::vector<float> x(1024), y(1024);
  for (ElementwiseOp op : kOps) {
    const TileKernel kernel = cpu::kernels().elementwise[int(op)][int(Dtype::Val::float32)];
    uint32_t bits = 0;
    for (uint64_t done = 0; done < (uint64_t{1} << 32) / kStride; done += x.size()) {
      for (float& element : x) element = __builtin_bit_cast(float, bits += kStride);
      kernel(y.data(), x.data(), nullptr, nullptr, x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = reference<float>(op, x[i], 0);
        ASSERT_TRUE(is_close(y[i], expected, tolerance_ulp(op)))
            << traits_of(op).info.name << "(" << x[i] << ") = " << y[i];
        ASSERT_EQ(std::signbit(y[i]), std::signbit(std::isnan(expected) ? y[i] : expected))
            << traits_of(op).info.name << "(" << x[i] << ")";
      }
    }
  }
}

}  // namespace
}  // namespace tarn
