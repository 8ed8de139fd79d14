// The inner loops of softmax: exponentials of differences, and their sums.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// As many lanes as fit into 256 bytes, whatever the size of a register: see isa/reduce.cpp.
constexpr size_t kPacks = 256 / HWY_MAX_BYTES;
template <class E>
constexpr size_t kGroup = kPacks* Pack<E>::kLanes;

// Calls f(i, y) for each group of n elements, from number i on, y being as many packs; the last,
// incomplete one is filled up with -infinity, so that f is inlined once.
template <class E, class F>
TARN_FN void for_each_group(const E* x, size_t n, F f) {
  alignas(HWY_MAX_BYTES) E padded[kGroup<E>];
  for (size_t i = 0; i < n; i += kGroup<E>) {
    const E* from = x + i;
    if (i + kGroup < E >> n) {
      unrolled<kPacks>(
          [&](auto k) { store(padded + k * Pack<E>::kLanes, Pack<E>(-__builtin_inff())); });
      std::memcpy(padded, from, (n - i) * sizeof(E));
      from = padded;
    }
    Pack<E> y[kPacks];
    unrolled<kPacks>([&](auto k) { y[k] = load(from + k * Pack<E>::kLanes); });
    f(i, y);
  }
}

// The first n elements of a group. `stream`: past the caches.
template <bool kStream = false, class E>
TARN_FN void store_group(E* to, const Pack<E> (&y)[kPacks], size_t n) {
  if (n < kGroup<E>) {
    alignas(HWY_MAX_BYTES) E padded[kGroup<E>];
    unrolled<kPacks>([&](auto k) { store(padded + k * Pack<E>::kLanes, y[k]); });
    std::memcpy(to, padded, n * sizeof(E));
  } else if constexpr (kStream) {
    unrolled<kPacks>(
        [&](auto k) { hn::Stream(y[k].v, typename Pack<E>::D(), to + k * Pack<E>::kLanes); });
  } else {
    unrolled<kPacks>([&](auto k) { store(to + k * Pack<E>::kLanes, y[k]); });
  }
}

// As exp(), of differences from a maximum: seldom is one so small that its exponential is not a
// normal number. Requires: no number is positive.
template <class E>
TARN_FN void exp_each(Pack<E> (&x)[kPacks]) {
  const Pack<E> low(std::is_same_v<E, float> ? -87 : -708);
  Mask<E> is_normal = x[0] > low;
  unrolled<kPacks>([&](auto k) { is_normal = is_normal & (x[k] > low); });
  if (HWY_LIKELY(all(is_normal))) {
    unrolled<kPacks>([&](auto k) { x[k] = math::approx::exp_of_small(x[k]); });
  } else {
    unrolled<kPacks>([&](auto k) { x[k] = exp(x[k]); });
  }
}

// In double, by halves.
template <class E>
double sum_of_group(const Pack<E> (&sums)[kPacks]) {
  alignas(HWY_MAX_BYTES) E lanes[kGroup<E>];
  unrolled<kPacks>([&](auto k) { store(lanes + k * Pack<E>::kLanes, sums[k]); });
  double total[kGroup<E>];
  for (size_t i = 0; i < kGroup<E>; ++i) total[i] = double(lanes[i]);
  for (size_t half = kGroup<E> / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) total[i] += total[i + half];
  }
  return total[0];
}

// The lines of memory that a group takes.
template <class E>
TARN_FN void fetch_group(const E* from) {
  unrolled<4>([&](auto line) { __builtin_prefetch(from + line * (64 / sizeof(E)), 0, 2); });
}

template <class E>
double exp_run(void* out, const void* x, const void* max, const void* next, size_t n) {
  // Rounds of additions in E before the lanes are added up in double.
  constexpr size_t kBlock = 64 * kGroup<E>;
  const Pack<E> shift(*static_cast<const E*>(max));
  double total = 0;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    Pack<E> sums[kPacks];
    unrolled<kPacks>([&](auto k) { sums[k] = Pack<E>(0); });
    const size_t block = HWY_MIN(n - begin, kBlock);
    E* const y_block = static_cast<E*>(out) + begin;
    const E* const next_block = static_cast<const E*>(next) + begin;
    for_each_group(static_cast<const E*>(x) + begin, block, [&](size_t i, Pack<E>(&y)[kPacks]) {
      fetch_group(next_block + i);
      unrolled<kPacks>([&](auto k) { y[k] = y[k] - shift; });
      exp_each(y);
      store_group(y_block + i, y, block - i);
      // Lanes of padding add exp(-infinity) = 0.
      unrolled<kPacks>([&](auto k) { sums[k] = sums[k] + y[k]; });
    });
    total += sum_of_group(sums);
  }
  return total;
}

template <class E>
void add_exp_columns(void* sum, const void* x, const void* max, const void* next, size_t n) {
  const E* const shifts = static_cast<const E*>(max);
  E* const sums = static_cast<E*>(sum);
  for_each_group(static_cast<const E*>(x), n, [&](size_t i, Pack<E>(&y)[kPacks]) {
    fetch_group(static_cast<const E*>(next) + i);
    unrolled<kPacks>([&](auto k) { y[k] = y[k] - load(shifts + i + k * Pack<E>::kLanes); });
    exp_each(y);
    unrolled<kPacks>([&](auto k) {
      E* const at = sums + i + k * Pack<E>::kLanes;
      store(at, load(at) + y[k]);
    });
  });
}

template <class E, bool kStream>
TARN_FN void scaled_exp_columns_so(E* out, const E* x, const E* shifts, const E* factors,
                                   const E* next, size_t n) {
  for_each_group(x, n, [&](size_t i, Pack<E>(&y)[kPacks]) {
    fetch_group(next + i);
    unrolled<kPacks>([&](auto k) { y[k] = y[k] - load(shifts + i + k * Pack<E>::kLanes); });
    exp_each(y);
    unrolled<kPacks>([&](auto k) { y[k] = y[k] * load(factors + i + k * Pack<E>::kLanes); });
    store_group<kStream>(out + i, y, n - i);
  });
}

template <class E>
void scaled_exp_columns(void* out, const void* x, const void* max, const void* factor,
                        const void* next, size_t n, bool stream) {
  (stream ? scaled_exp_columns_so<E, true>
          : scaled_exp_columns_so<E, false>)(static_cast<E*>(out), static_cast<const E*>(x),
                                             static_cast<const E*>(max),
                                             static_cast<const E*>(factor),
                                             static_cast<const E*>(next), n);
}

}  // namespace

void add_softmax_kernels(cpu::KernelTable& table) {
  table.exp_run[int(Dtype::Val::float32)] = exp_run<float>;
  table.exp_run[int(Dtype::Val::float64)] = exp_run<double>;
  table.add_exp_columns[int(Dtype::Val::float32)] = add_exp_columns<float>;
  table.add_exp_columns[int(Dtype::Val::float64)] = add_exp_columns<double>;
  table.scaled_exp_columns[int(Dtype::Val::float32)] = scaled_exp_columns<float>;
  table.scaled_exp_columns[int(Dtype::Val::float64)] = scaled_exp_columns<double>;
}

}  // namespace tarn::HWY_NAMESPACE
