// The inner loops of softmax: exponentials of differences, and their sums.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

constexpr size_t kPacks = 4;
template <class E>
constexpr size_t kGroup = kPacks* Pack<E>::kLanes;

// Calls f(i, from, to) for each group of packs of n elements; for the last, incomplete one on
// padded copies, so that f is inlined once.
template <class E, class F>
TARN_FN void for_each_group(const E* x, E* out, size_t n, F f) {
  alignas(HWY_MAX_BYTES) E padded[kGroup<E>];
  for (size_t i = 0; i < n; i += kGroup<E>) {
    const bool is_whole = i + kGroup<E> <= n;
    const E* from = x + i;
    E* to = out + i;
    if (!is_whole) {
      unrolled<kPacks>(
          [&](auto k) { store(padded + k * Pack<E>::kLanes, Pack<E>(-__builtin_inff())); });
      std::memcpy(padded, from, (n - i) * sizeof(E));
      from = to = padded;
    }
    f(i, from, to);
    if (!is_whole) std::memcpy(out + i, padded, (n - i) * sizeof(E));
  }
}

// As exp(), of differences from a maximum: seldom is one so small that its exponential is not a
// normal number. Requires: no number is positive.
template <class E>
TARN_FN void exp_each(Pack<E> (&x)[kPacks]) {
  const Pack<E> low(std::is_same_v<E, float> ? -87 : -708);
  Mask<E> is_normal = x[0] > low;
  unrolled<kPacks>([&](auto k) { is_normal = is_normal & (x[k] > low); });
  if (HWY_LIKELY(hn::AllTrue(typename Pack<E>::D(), is_normal.m))) {
    unrolled<kPacks>([&](auto k) { x[k] = math::approx::exp_of_small(x[k]); });
  } else {
    unrolled<kPacks>([&](auto k) { x[k] = exp(x[k]); });
  }
}

template <class E>
double exp_run(void* out, const void* x, const void* max, size_t n) {
  // Dealt out over 256 bytes of lanes, added up in double after 64 rounds: as in isa/reduce.cpp,
  // for the same reasons.
  constexpr size_t kSums = 256 / sizeof(E);
  constexpr size_t kBlock = 64 * kSums;
  const Pack<E> shift(*static_cast<const E*>(max));
  double total = 0;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    alignas(HWY_MAX_BYTES) E sums[kSums] = {};
    for_each_group(
        static_cast<const E*>(x) + begin, static_cast<E*>(out) + begin, HWY_MIN(n - begin, kBlock),
        [&](size_t i, const E* from, E* to) {
          Pack<E> y[kPacks];
          unrolled<kPacks>([&](auto k) { y[k] = load(from + k * Pack<E>::kLanes) - shift; });
          exp_each(y);
          E* const sum = sums + i % kSums;
          unrolled<kPacks>([&](auto k) {
            constexpr size_t kAt = k * Pack<E>::kLanes;
            store(to + kAt, y[k]);
            // Lanes of padding add exp(-infinity) = 0.
            store(sum + kAt, load(sum + kAt) + y[k]);
          });
        });
    for (E sum : sums) total += double(sum);
  }
  return total;
}

template <class E>
void exp_columns(void* out, const void* x, const void* max, void* sum, size_t n) {
  const E* const shifts = static_cast<const E*>(max);
  E* const sums = static_cast<E*>(sum);
  for_each_group(static_cast<const E*>(x), static_cast<E*>(out), n,
                 [&](size_t i, const E* from, E* to) {
                   Pack<E> y[kPacks];
                   unrolled<kPacks>([&](auto k) {
                     constexpr size_t kAt = k * Pack<E>::kLanes;
                     y[k] = load(from + kAt) - load(shifts + i + kAt);
                   });
                   exp_each(y);
                   unrolled<kPacks>([&](auto k) {
                     constexpr size_t kAt = k * Pack<E>::kLanes;
                     store(to + kAt, y[k]);
                     store(sums + i + kAt, load(sums + i + kAt) + y[k]);
                   });
                 });
}

}  // namespace

void add_softmax_kernels(cpu::KernelTable& table) {
  table.exp_run[int(Dtype::Val::float32)] = exp_run<float>;
  table.exp_run[int(Dtype::Val::float64)] = exp_run<double>;
  table.exp_columns[int(Dtype::Val::float32)] = exp_columns<float>;
  table.exp_columns[int(Dtype::Val::float64)] = exp_columns<double>;
}

}  // namespace tarn::HWY_NAMESPACE
