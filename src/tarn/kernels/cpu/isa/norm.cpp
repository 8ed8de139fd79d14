// Rows of numbers moved and scaled.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/norm_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

template <class T, bool kHasWeight, bool kHasBias>
void scale_row(const cpu::RowScale& by, const T* x, const T* weight, const T* bias, T* out,
               size_t n) {
  using E = ComputeOf<T>;
  constexpr size_t kStep = kElementsPerPack<T>;
  const Pack<E> center(by.center), scale(by.scale), shift(by.shift);
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    Pack<E> y = fma(load(x + i) - center, scale, shift);
    if constexpr (kHasWeight && kHasBias) {
      y = fma(y, load(weight + i), load(bias + i));
    } else if constexpr (kHasWeight) {
      y = y * load(weight + i);
    } else if constexpr (kHasBias) {
      y = y + load(bias + i);
    }
    store(out + i, y);
  }
  if (i == n) return;
  T padded[3][kStep] = {}, result[kStep];
  const size_t nbytes = (n - i) * sizeof(T);
  const auto pad = [&](T* to, const T* from) {
    copy_small(reinterpret_cast<unsigned char*>(to), reinterpret_cast<const unsigned char*>(from),
               nbytes);
  };
  pad(padded[0], x + i);
  if constexpr (kHasWeight) pad(padded[1], weight + i);
  if constexpr (kHasBias) pad(padded[2], bias + i);
  scale_row<T, kHasWeight, kHasBias>(by, padded[0], padded[1], padded[2], result, kStep);
  pad(out + i, result);
}

template <class T>
void scale_any_row(const cpu::RowScale& by, const void* x, const void* weight, const void* bias,
                   void* out, size_t n) {
  const auto loop = weight != nullptr
                        ? bias != nullptr ? scale_row<T, true, true> : scale_row<T, true, false>
                    : bias != nullptr ? scale_row<T, false, true>
                                      : scale_row<T, false, false>;
  loop(by, static_cast<const T*>(x), static_cast<const T*>(weight), static_cast<const T*>(bias),
       static_cast<T*>(out), n);
}

}  // namespace

void add_norm_kernels(cpu::NormKernels& kernels) {
  const auto add = [&]<class T>(type_tag<T>) {
    kernels.scale_row[int(dtype_of<T>.val())] = scale_any_row<T>;
  };
  add(type_tag<float16_t>{});
  add(type_tag<bfloat16_t>{});
  add(type_tag<float>{});
  add(type_tag<double>{});
}

}  // namespace tarn::HWY_NAMESPACE
