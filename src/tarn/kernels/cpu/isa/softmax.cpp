// The inner loops of softmax: exponentials of differences, and their sums.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// Calls f(from, to) for each pack of n elements; for the last, incomplete one on padded copies, so
// that f is inlined once.
template <class E, class F>
TARN_FN void for_each_pack(const E* x, E* out, size_t n, F f) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  alignas(HWY_MAX_BYTES) E padded[kLanes];
  for (size_t i = 0; i < n; i += kLanes) {
    const bool is_whole = i + kLanes <= n;
    const E* from = x + i;
    E* to = out + i;
    if (!is_whole) {
      store(padded, Pack<E>(-__builtin_inff()));
      copy_small(reinterpret_cast<unsigned char*>(padded),
                 reinterpret_cast<const unsigned char*>(from), (n - i) * sizeof(E));
      from = to = padded;
    }
    f(i, from, to);
    if (!is_whole) {
      copy_small(reinterpret_cast<unsigned char*>(out + i),
                 reinterpret_cast<const unsigned char*>(padded), (n - i) * sizeof(E));
    }
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
    for_each_pack(static_cast<const E*>(x) + begin, static_cast<E*>(out) + begin,
                  HWY_MIN(n - begin, kBlock), [&](size_t i, const E* from, E* to) {
                    const Pack<E> y = exp(load(from) - shift);
                    store(to, y);
                    E* const sum = sums + i % kSums;
                    store(sum, load(sum) + y);  // lanes of padding add exp(-infinity) = 0
                  });
    for (E sum : sums) total += double(sum);
  }
  return total;
}

template <class E>
void exp_columns(void* out, const void* x, const void* max, void* sum, size_t n) {
  const E* const shifts = static_cast<const E*>(max);
  E* const sums = static_cast<E*>(sum);
  for_each_pack(static_cast<const E*>(x), static_cast<E*>(out), n,
                [&](size_t i, const E* from, E* to) {
                  const Pack<E> y = exp(load(from) - load(shifts + i));
                  store(to, y);
                  store(sums + i, load(sums + i) + y);
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
