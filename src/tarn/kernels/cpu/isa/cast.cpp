// Conversions between all element types.
//
// Integers wrap. Floats lose their fraction; out of the range of 32- and 64-bit integers they
// saturate and NaN is 0; 8- and 16-bit integers take the low bits of the conversion to int32.
// Anything but zero is true. Complex to real keeps the real part.
#include <limits>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// complex64_t without its functions, which are not to be instantiated here.
struct ComplexParts {
  float real;
  float imag;
};

template <class To, class From>
TARN_FN To float_to_integer(From x) {
  if constexpr (sizeof(To) < 4) {
    return static_cast<To>(float_to_integer<int32_t>(x));
  } else {
    using Limits = std::numeric_limits<To>;
    constexpr From kLow = From(Limits::min());
    constexpr From kBound = From(2) * From(Limits::max() / 2 + 1);  // one past the largest integer
    // Converted without a branch, so that the loop can be vectorized; NaN fails both comparisons.
    const To inside = static_cast<To>(x >= kLow && x < kBound ? x : From(0));
    return x >= kBound ? Limits::max() : x < kLow ? Limits::min() : inside;
  }
}

template <class To, class From>
TARN_FN To convert(From x) {
  if constexpr (std::is_same_v<From, ComplexParts>) {
    if constexpr (std::is_same_v<To, bool>) {
      return x.real != 0 || x.imag != 0;
    } else {
      return convert<To>(x.real);
    }
  } else if constexpr (std::is_same_v<To, ComplexParts>) {
    return {static_cast<float>(x), 0.0f};
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return float_to_integer<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

constexpr size_t kBlock = 64;

// 16-bit floats are converted by way of float, a block at a time, with the instructions that
// element.h uses.
template <class To, class From>
TARN_FN void convert_some(To* to, const From* from, size_t n) {
  if constexpr (HalfType<From> || HalfType<To>) {
    HWY_ALIGN float middle[kBlock] = {};
    HWY_ALIGN uint16_t narrow[kBlock] = {};
    if constexpr (HalfType<From>) {
      std::memcpy(narrow, from, n * 2);
      for (size_t i = 0; i < kBlock; i += kElementsPerPack<From>) {
        store(middle + i, load(reinterpret_cast<const From*>(narrow) + i));
      }
    } else {
      for (size_t i = 0; i < n; ++i) middle[i] = convert<float>(from[i]);
    }
    if constexpr (HalfType<To>) {
      for (size_t i = 0; i < kBlock; i += kElementsPerPack<To>) {
        store(reinterpret_cast<To*>(narrow) + i, load(middle + i));
      }
      std::memcpy(to, narrow, n * 2);
    } else {
      for (size_t i = 0; i < n; ++i) to[i] = convert<To>(middle[i]);
    }
  } else {
    for (size_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
  }
}

// Between two of these a pack is converted by the load and the store of it.
template <class T>
inline constexpr bool kIsComputedInFloat = HalfType<T> || std::is_same_v<T, float>;

template <class To, class From>
void cast_loop(void* out, const void* a, const void*, const void*, size_t n, bool) {
  To* to = static_cast<To*>(out);
  const From* from = static_cast<const From*>(a);
  if constexpr (kIsComputedInFloat<From> && kIsComputedInFloat<To>) {
    constexpr size_t kStep = 2 * kElementsPerPack<float>;
    for (; n >= kStep; n -= kStep, to += kStep, from += kStep) {
      unrolled<2>([&](auto k) { store(to + k * kStep / 2, load(from + k * kStep / 2)); });
    }
  }
  // The constant count lets compilers unroll and vectorize.
  for (; n >= kBlock; n -= kBlock, to += kBlock, from += kBlock) convert_some(to, from, kBlock);
  convert_some(to, from, n);
}

template <class T>
using Stored = std::conditional_t<std::is_same_v<T, complex64_t>, ComplexParts, T>;
// GCC does not vectorize loops that read bool.
template <class T>
using Read = std::conditional_t<std::is_same_v<T, bool>, uint8_t, Stored<T>>;

template <class From, class To>
void add_cast(cpu::KernelTable& table) {
  if constexpr (!std::is_same_v<From, To>) {
    table.cast[int(dtype_of<From>.val())][int(dtype_of<To>.val())] = {
        cast_loop<Stored<To>, Read<From>>};
  }
}

template <class From>
void add_casts_from(cpu::KernelTable& table) {
#define TARN_DTYPE(name, text, type, kind, category, bytes) add_cast<From, type>(table);
#include "tarn/base/dtype.def"
}

}  // namespace

void add_cast_kernels(cpu::KernelTable& table) {
#define TARN_DTYPE(name, text, type, kind, category, bytes) add_casts_from<type>(table);
#include "tarn/base/dtype.def"
}

}  // namespace tarn::HWY_NAMESPACE
