// Pairs of numbers turned by angles, and the cosines and sines of these.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/rope_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

void float_angles(double position, const double* frequencies, size_t n, void* cosines,
                  void* sines) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> d_float;
  constexpr size_t kTurns = Pack<double>::kLanes;
  constexpr size_t kLanes = Pack<float>::kLanes;
  alignas(HWY_MAX_BYTES) float angles[cpu::kMaxAngles];
  for (size_t i = 0; i < n; i += kTurns) {
    const Pack<double> angle = Pack<double>(position) * load(frequencies + i);
    const Pack<double> n_turns = round_even(angle * Pack<double>(0x1.45f306dc9c883p-3));
    Pack<double> rest = fma(n_turns, Pack<double>(-0x1.921fb54442d18p+2), angle);
    rest = fma(n_turns, Pack<double>(-0x1.1a62633145c07p-52), rest);
    hn::StoreU(hn::DemoteTo(d_float, rest.v), d_float, angles + i);
  }
  for (size_t i = n; i % kLanes != 0; ++i) angles[i] = 0;
  for (size_t i = 0; i < n; i += kLanes) {
    store(static_cast<float*>(cosines) + i, cos(load(angles + i)));
    store(static_cast<float*>(sines) + i, sin(load(angles + i)));
  }
}

void double_angles(double position, const double* frequencies, size_t n, void* cosines,
                   void* sines) {
  for (size_t i = 0; i < n; i += Pack<double>::kLanes) {
    const Pack<double> angle = Pack<double>(position) * load(frequencies + i);
    store(static_cast<double*>(cosines) + i, cos(angle));
    store(static_cast<double*>(sines) + i, sin(angle));
  }
}

template <class T>
TARN_FN void copy_elements(T* to, const T* from, size_t n) {
  copy_small(reinterpret_cast<unsigned char*>(to), reinterpret_cast<const unsigned char*>(from),
             n * sizeof(T));
}

template <class T>
void turn_apart(const void* x, size_t distance, const void* cosines, const void* sines, void* out,
                size_t n) {
  using E = ComputeOf<T>;
  constexpr size_t kStep = kElementsPerPack<T>;
  const T* const from = static_cast<const T*>(x);
  const E* const cosine = static_cast<const E*>(cosines);
  const E* const sine = static_cast<const E*>(sines);
  T* const to = static_cast<T*>(out);
  const auto turn = [&](const T* x1, const T* x2, size_t i, T* y1, T* y2) {
    const Pack<E> a = load(x1), b = load(x2), c = load(cosine + i), s = load(sine + i);
    store(y1, fma(a, c, -(b * s)));
    store(y2, fma(b, c, a * s));
  };
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    turn(from + i, from + distance + i, i, to + i, to + distance + i);
  }
  if (i == n) return;
  T pair[2][kStep] = {};
  copy_elements(pair[0], from + i, n - i);
  copy_elements(pair[1], from + distance + i, n - i);
  turn(pair[0], pair[1], i, pair[0], pair[1]);
  copy_elements(to + i, pair[0], n - i);
  copy_elements(to + distance + i, pair[1], n - i);
}

template <class T>
void turn_neighbours(const void* x, size_t, const void* cosines, const void* sines, void* out,
                     size_t n) {
  using E = ComputeOf<T>;
  constexpr size_t kStep = kElementsPerPack<T>;
  const T* const from = static_cast<const T*>(x);
  const E* const cosine = static_cast<const E*>(cosines);
  const E* const sine = static_cast<const E*>(sines);
  T* const to = static_cast<T*>(out);
  const auto turn = [&](const T* elements, size_t i, T* y) {
    const Pack<E> a = load(elements);
    const Pack<E> other = hn::Reverse2(typename Pack<E>::D(), a.v);
    store(y, fma(a, load(cosine + i), other * load(sine + i)));
  };
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) turn(from + i, i, to + i);
  if (i == n) return;
  T rest[kStep] = {};
  copy_elements(rest, from + i, n - i);
  turn(rest, i, rest);
  copy_elements(to + i, rest, n - i);
}

}  // namespace

void add_rope_kernels(cpu::RopeKernels& kernels) {
  kernels.angles[int(Dtype::Val::float32)] = float_angles;
  kernels.angles[int(Dtype::Val::float64)] = double_angles;
  const auto add = [&]<class T>(type_tag<T>) {
    kernels.turn_apart[int(dtype_of<T>.val())] = turn_apart<T>;
    kernels.turn_neighbours[int(dtype_of<T>.val())] = turn_neighbours<T>;
  };
  add(type_tag<float16_t>{});
  add(type_tag<bfloat16_t>{});
  add(type_tag<float>{});
  add(type_tag<double>{});
}

}  // namespace tarn::HWY_NAMESPACE
