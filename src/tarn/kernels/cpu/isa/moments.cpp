// Distances from a mean and their squares, added up.
#include <algorithm>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/moment_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// As in isa/reduce.cpp, elements are dealt out over 256 bytes of lanes, whatever the size of a
// register, and the lanes are combined in halves.
template <class E>
constexpr size_t kSums = 256 / sizeof(E);

template <class E>
double fold(E (&lanes)[kSums<E>]) {
  for (size_t half = kSums<E> / 2; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return double(lanes[0]);
}

template <class T>
cpu::DistanceSums sum_distances(const void* elements, const void* center, size_t n) {
  using E = ComputeOf<T>;
  constexpr size_t kLanes = Pack<E>::kLanes;
  constexpr size_t kPacks = kSums<E> / kLanes;
  const T* const x = static_cast<const T*>(elements);
  const E middle = *static_cast<const E*>(center);
  const Pack<E> centers(middle);
  // So many at a time as there are registers for.
  constexpr size_t kAtOnce = HWY_MIN(kPacks, 4);
  T narrow[kSums<E>] = {};
  E rest[kSums<E>];
  const size_t n_rest = n % kSums<E>;
  if (n_rest > 0) {
    std::memcpy(narrow, x + (n - n_rest), n_rest * sizeof(T));
    unrolled<kPacks>([&](auto k) { store(rest + k * kLanes, load(narrow + k * kLanes)); });
    std::fill(rest + n_rest, rest + kSums<E>, middle);
  }
  E distance_sums[kSums<E>], square_sums[kSums<E>];
  for (size_t first = 0; first < kSums<E>; first += kAtOnce * kLanes) {
    Pack<E> distances[kAtOnce], squares[kAtOnce];
    unrolled<kAtOnce>([&](auto k) { distances[k] = squares[k] = Pack<E>(E(0)); });
    const auto add = [&](const auto* from) {
      unrolled<kAtOnce>([&](auto k) {
        const Pack<E> distance = load(from + k * kLanes) - centers;
        distances[k] = distances[k] + distance;
        squares[k] = squares[k] + distance * distance;
      });
    };
    for (size_t i = first; i + kSums<E> <= n + first; i += kSums<E>) {
      __builtin_prefetch(x + n + i);  // the processor goes on from there
      add(x + i);
    }
    if (n_rest > 0) add(rest + first);
    unrolled<kAtOnce>([&](auto k) {
      store(distance_sums + first + k * kLanes, distances[k]);
      store(square_sums + first + k * kLanes, squares[k]);
    });
  }
  return {fold<E>(distance_sums), fold<E>(square_sums)};
}

template <class E>
void add_distances(void* distances, void* squares, const void* row, const void* centers, size_t n) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  const E* const center = static_cast<const E*>(centers);
  E* const sum = static_cast<E*>(distances);
  E* const sum_of_squares = static_cast<E*>(squares);
  const auto add = [&](const E* x, size_t i) {
    const Pack<E> distance = load(x) - load(center + i);
    store(sum + i, load(sum + i) + distance);
    store(sum_of_squares + i, load(sum_of_squares + i) + distance * distance);
  };
  const E* const x = static_cast<const E*>(row);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) add(x + i, i);
  if (i == n) return;
  E padded[kLanes] = {};
  std::copy(x + i, x + n, padded);
  add(padded, i);
}

}  // namespace

void add_moment_kernels(cpu::MomentKernels& kernels) {
  const auto add = [&]<class E>(type_tag<E>) {
    kernels.sum[int(dtype_of<E>.val())] = sum_distances<E>;
    kernels.add_row[int(dtype_of<E>.val())] = add_distances<E>;
  };
  add(type_tag<float>{});
  add(type_tag<double>{});
  kernels.sum[int(Dtype::Val::float16)] = sum_distances<float16_t>;
  kernels.sum[int(Dtype::Val::bfloat16)] = sum_distances<bfloat16_t>;
}

}  // namespace tarn::HWY_NAMESPACE
