// Ranges of numbers.
#include <type_traits>

#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::KernelTable;

// Conversion with the wrap-around of integer arithmetic where a cast would be undefined.
template <class T>
T wrapped(double x) {
  constexpr double kLimit = 0x1p63;
  if (x >= -kLimit && x < kLimit) return static_cast<T>(static_cast<int64_t>(x));
  if (x >= kLimit && x < 2 * kLimit) return static_cast<T>(static_cast<uint64_t>(x));
  return T{0};
}

// The loops count in 32 bits: else the compiler would take one element at a time.
template <class T>
void arange(void* out, double start, double step, int64_t begin, int32_t n) {
  T* const to = static_cast<T*>(out);
  if constexpr (std::is_integral_v<T>) {
    using Word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    const Word first = static_cast<Word>(wrapped<T>(start));
    const Word increment = static_cast<Word>(wrapped<T>(start + step)) - first;
    const Word base = first + static_cast<Word>(begin) * increment;
    for (int32_t i = 0; i < n; ++i) to[i] = static_cast<T>(base + static_cast<Word>(i) * increment);
  } else {
    const double first = static_cast<double>(begin);
    for (int32_t i = 0; i < n; ++i) to[i] = static_cast<T>(start + (first + i) * step);
    // An infinite step makes one element, which must not become 0 * infinity.
    if (begin == 0 && n > 0) to[0] = static_cast<T>(start);
  }
}

template <class... T>
void add_arange(KernelTable& table) {
  ((table.arange[static_cast<int>(dtype_of<T>.val())] = arange<T>), ...);
}

}  // namespace

void add_creation_kernels(cpu::KernelTable& table) {
  add_arange<uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t, float,
             double>(table);
}

}  // namespace tarn::HWY_NAMESPACE
