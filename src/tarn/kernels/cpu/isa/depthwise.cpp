// Convolutions whose groups have one channel: sums over the taps, a vector of channels at once.
#include "tarn/kernels/cpu/conv_depthwise_kernels.h"
#include "tarn/kernels/cpu/isa/element.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::DepthwiseRun;

// So many places share a load of the weights, and vectors of channels the walk over the taps.
constexpr int kPlaces = 4;
constexpr int kVectors = 2;

template <class E>
TARN_FN const E* weights_of(const DepthwiseRun& run, int64_t line) {
  return static_cast<const E*>(run.weights[line]) + run.first_weight;
}

template <class E>
TARN_FN const E* input_of(const DepthwiseRun& run, int64_t line, int64_t place) {
  return static_cast<const E*>(run.in[line]) + run.first_in + place * run.in_place_step;
}

template <class E, int kN, int kV>
TARN_FN void sum_taps(const DepthwiseRun& run, int64_t place, int64_t channel) {
  using T = ComputeOf<E>;
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = kElementsPerPack<E>;
  hn::Vec<hn::ScalableTag<T>> sums[kN][kV];
  unrolled<kN>([&](auto i) { unrolled<kV>([&](auto v) { sums[i][v] = hn::Zero(d); }); });
  for (int64_t line = 0; line < run.n_lines; ++line) {
    const E* weights = weights_of<E>(run, line) + channel;
    const E* in = input_of<E>(run, line, place) + channel;
    for (int64_t t = 0; t < run.n_taps; ++t, weights += run.weight_step, in += run.in_step) {
      unrolled<kV>([&](auto v) {
        const auto weight = load_lanes(d, weights + v * kLanes);
        unrolled<kN>([&](auto i) {
          const E* const from = in + int64_t(i) * run.in_place_step + v * kLanes;
          sums[i][v] = hn::MulAdd(load_lanes(d, from), weight, sums[i][v]);
        });
      });
    }
  }
  E* const out = static_cast<E*>(run.out) + place * run.out_place_step + channel;
  unrolled<kN>([&](auto i) {
    unrolled<kV>([&](auto v) {
      store(out + int64_t(i) * run.out_place_step + v * kLanes, Pack<T>(sums[i][v]));
    });
  });
}

// The last vector overlaps the one before it, so that none is incomplete.
template <class E, int kN>
void sum_channels(const DepthwiseRun& run, int64_t place) {
  constexpr int64_t kLanes = kElementsPerPack<E>;
  int64_t channel = 0;
  for (; channel + kVectors * kLanes <= run.n_channels; channel += kVectors * kLanes)
    sum_taps<E, kN, kVectors>(run, place, channel);
  for (; channel < run.n_channels; channel += kLanes)
    sum_taps<E, kN, 1>(run, place, HWY_MIN(channel, run.n_channels - kLanes));
}

// For fewer channels than a vector has lanes.
template <class E>
void sum_few_channels(const DepthwiseRun& run, int64_t place) {
  using T = ComputeOf<E>;
  T sums[kElementsPerPack<E>] = {};
  for (int64_t line = 0; line < run.n_lines; ++line) {
    const E* weights = weights_of<E>(run, line);
    const E* in = input_of<E>(run, line, place);
    for (int64_t t = 0; t < run.n_taps; ++t, weights += run.weight_step, in += run.in_step) {
      for (int64_t c = 0; c < run.n_channels; ++c)
        sums[c] += static_cast<T>(in[c]) * static_cast<T>(weights[c]);
    }
  }
  E* const out = static_cast<E*>(run.out) + place * run.out_place_step;
  for (int64_t c = 0; c < run.n_channels; ++c) out[c] = static_cast<E>(sums[c]);
}

template <class E>
void depthwise(const DepthwiseRun& run) {
  int64_t place = 0;
  if (run.n_channels < int64_t(kElementsPerPack<E>)) {
    for (; place < run.n_places; ++place) sum_few_channels<E>(run, place);
    return;
  }
  for (; place + kPlaces <= run.n_places; place += kPlaces) sum_channels<E, kPlaces>(run, place);
  for (; place < run.n_places; ++place) sum_channels<E, 1>(run, place);
}

}  // namespace

void add_depthwise_kernels(cpu::DepthwiseKernels& kernels) {
  kernels.of_dtype[int(float32.val())] = depthwise<float>;
  kernels.of_dtype[int(float64.val())] = depthwise<double>;
  kernels.of_dtype[int(float16.val())] = depthwise<float16_t>;
  kernels.of_dtype[int(bfloat16.val())] = depthwise<bfloat16_t>;
}

}  // namespace tarn::HWY_NAMESPACE
