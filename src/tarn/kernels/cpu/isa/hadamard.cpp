// Fast Hadamard transforms: of elements a power of two apart, the sum and the difference, for every
// power below the length; then, for lengths that are no power of two, products with a small matrix.
#include <algorithm>

#include "tarn/kernels/cpu/hadamard_kernels.h"
#include "tarn/kernels/cpu/isa/element.h"

namespace tarn::HWY_NAMESPACE {

namespace {

// Elements that are taken through all steps that stay among them, in the first-level cache, before
// the next ones.
constexpr size_t kBlock = 4096;
constexpr size_t kMaxRadix = 8;
// Rows of the small matrix that a column of elements is multiplied with at once.
constexpr size_t kRows = 4;

// The first n elements of a pack, fewer than it has lanes or all.
template <class T>
TARN_FN Pack<ComputeOf<T>> load_first(const T* from, size_t n) {
  if (n >= kElementsPerPack<T>) return load(from);
  T padded[kElementsPerPack<T>] = {};
  copy_small(reinterpret_cast<unsigned char*>(padded), reinterpret_cast<const unsigned char*>(from),
             n * sizeof(T));
  return load(padded);
}
template <class E>
TARN_FN void store_first(E* to, Pack<E> x, size_t n) {
  if (n >= Pack<E>::kLanes) return store(to, x);
  E padded[Pack<E>::kLanes];
  store(padded, x);
  copy_small(reinterpret_cast<unsigned char*>(to), reinterpret_cast<const unsigned char*>(padded),
             n * sizeof(E));
}

// The steps between lanes of a pack.
template <class E>
class LaneSteps {
 public:
  TARN_FN explicit LaneSteps(size_t n_steps) : n_steps_(n_steps) {
    unrolled<kSteps>([&](auto step) {
      alignas(HWY_MAX_BYTES) Index partners[kLanes];
      alignas(HWY_MAX_BYTES) E signs[kLanes];
      for (size_t lane = 0; lane < kLanes; ++lane) {
        partners[lane] = Index(lane ^ (size_t{1} << step));
        signs[lane] = (lane >> step) % 2 == 0 ? E(1) : E(-1);
      }
      partners_[step] = hn::SetTableIndices(D(), partners);
      signs_[step] = load(signs);
    });
  }

  TARN_FN Pack<E> operator()(Pack<E> x) const {
    unrolled<kSteps>([&](auto step) {
      if (step < n_steps_) {
        x = fma(x, signs_[step], Pack<E>(hn::TableLookupLanes(x.v, partners_[step])));
      }
    });
    return x;
  }

 private:
  using D = typename Pack<E>::D;
  using Index = hwy::MakeSigned<E>;
  static constexpr size_t kLanes = Pack<E>::kLanes;
  static constexpr size_t kSteps = hwy::CeilLog2(kLanes);

  const size_t n_steps_;
  decltype(hn::SetTableIndices(D(), static_cast<const Index*>(nullptr))) partners_[kSteps];
  Pack<E> signs_[kSteps];
};

// The steps between kRadix packs.
template <size_t kRadix, class E>
TARN_FN void butterfly(Pack<E> (&a)[kRadix]) {
  constexpr size_t kSteps = hwy::CeilLog2(kRadix);
  unrolled<kSteps>([&](auto step) {
    unrolled<kRadix>([&](auto i) {
      constexpr size_t kDistance = size_t{1} << step;
      if constexpr ((i & kDistance) == 0) {
        const Pack<E> sum = a[i] + a[i + kDistance];
        a[i + kDistance] = a[i] - a[i + kDistance];
        a[i] = sum;
      }
    });
  });
}

// Reads n elements and does the first steps, in each kRadix packs.
template <size_t kRadix, class T>
void load_and_step(const T* x, size_t n, double scale, size_t n_lane_steps, ComputeOf<T>* to) {
  using E = ComputeOf<T>;
  constexpr size_t kLanes = Pack<E>::kLanes;
  const LaneSteps<E> lane_steps(n_lane_steps);
  const Pack<E> factor(scale);
  for (size_t i = 0; i < n; i += kRadix * kLanes) {
    Pack<E> a[kRadix];
    unrolled<kRadix>([&](auto k) {
      const size_t at = i + k * kLanes;
      a[k] = lane_steps(load_first(x + at, n - at) * factor);
    });
    butterfly(a);
    unrolled<kRadix>([&](auto k) {
      const size_t at = i + k * kLanes;
      store_first(to + at, a[k], n - at);
    });
  }
}

// The steps between elements that are `distance`, 2 distance, … kRadix / 2 distance apart.
template <size_t kRadix, class E>
void steps_apart(E* y, size_t n, size_t distance) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  for (size_t begin = 0; begin < n; begin += kRadix * distance) {
    for (size_t i = begin; i < begin + distance; i += kLanes) {
      Pack<E> a[kRadix];
      unrolled<kRadix>([&](auto k) { a[k] = load(y + i + k * distance); });
      butterfly(a);
      unrolled<kRadix>([&](auto k) { store(y + i + k * distance, a[k]); });
    }
  }
}

// Calls f with the radix, a constant, that takes the most steps within `ratio`, a power of two.
template <class F>
TARN_FN void with_radix(size_t ratio, F f) {
  if (ratio >= 8) {
    f(std::integral_constant<size_t, 8>{});
  } else if (ratio == 4) {
    f(std::integral_constant<size_t, 4>{});
  } else if (ratio == 2) {
    f(std::integral_constant<size_t, 2>{});
  } else {
    f(std::integral_constant<size_t, 1>{});
  }
}

// The remaining steps of transforms of `size` elements each, those of up to `distance` being done.
template <class E>
void remaining_steps(E* y, size_t n, size_t distance, size_t size) {
  while (distance < size) {
    with_radix(size / distance, [&](auto radix) {
      steps_apart<radix>(y, n, distance);
      distance *= radix;
    });
  }
}

// Multiplies the vectors of elements at one place of each segment.
template <class E>
void combine_segments(const cpu::HadamardRow& row, E* y) {
  constexpr size_t kMaxSegments = 28;
  const E* const signs = static_cast<const E*>(row.signs);
  const size_t n = row.n_segments;
  for (size_t i = 0; i < row.segment; i += Pack<E>::kLanes) {
    const size_t count = row.segment - i;
    Pack<E> column[kMaxSegments];
    for (size_t k = 0; k < n; ++k) column[k] = load_first(y + k * row.segment + i, count);
    for (size_t r = 0; r < n; r += kRows) {
      Pack<E> sums[kRows];
      unrolled<kRows>([&](auto j) { sums[j] = Pack<E>(E(0)); });
      for (size_t k = 0; k < n; ++k) {
        unrolled<kRows>(
            [&](auto j) { sums[j] = fma(column[k], Pack<E>(signs[(r + j) * n + k]), sums[j]); });
      }
      unrolled<kRows>([&](auto j) { store_first(y + (r + j) * row.segment + i, sums[j], count); });
    }
  }
}

template <class T>
void transform(const cpu::HadamardRow& row, const void* x, void* to) {
  using E = ComputeOf<T>;
  constexpr size_t kLanes = Pack<E>::kLanes;
  const T* const from = static_cast<const T*>(x);
  E* const y = static_cast<E*>(to);
  const size_t n = row.n_segments * row.segment;
  const size_t n_lane_steps = size_t(__builtin_ctzll(std::min(row.segment, kLanes)));
  // Segments shorter than a pack are done several in a pack, the last one perhaps with some only.
  const size_t block = row.segment < kLanes ? n : std::min(row.segment, kBlock);
  with_radix(std::max<size_t>(1, row.segment / kLanes), [&](auto radix) {
    for (size_t begin = 0; begin < n; begin += block) {
      load_and_step<radix>(from + begin, block, row.scale, n_lane_steps, y + begin);
      if (row.segment >= kLanes) remaining_steps(y + begin, block, radix * kLanes, block);
    }
  });
  if (row.segment > block) remaining_steps(y, n, block, row.segment);
  if (row.n_segments > 1) combine_segments(row, y);
}

}  // namespace

void add_hadamard_kernels(cpu::HadamardKernels& kernels) {
  const auto add = [&]<class T>(type_tag<T>) {
    kernels.transform[int(dtype_of<T>.val())] = transform<T>;
  };
  add(type_tag<float16_t>{});
  add(type_tag<bfloat16_t>{});
  add(type_tag<float>{});
  add(type_tag<double>{});
}

}  // namespace tarn::HWY_NAMESPACE
