// What sorting does to many elements at a time. See Note [Sort keys].
#include <hwy/contrib/sort/traits-inl.h>
#include <hwy/contrib/sort/traits128-inl.h>
#include <hwy/contrib/sort/vqsort-inl.h>

#include <limits>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/sort_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

namespace vqsort = hwy::HWY_NAMESPACE::detail;

template <class K>
inline constexpr K kLargest = std::numeric_limits<K>::max();

struct SameBits {
  template <class V>
  TARN_FN static V apply(V x) {
    return x;
  }
};

template <class K>
struct FlipSign {
  template <class V>
  TARN_FN static V apply(V x) {
    return hn::Xor(x, hn::Set(hn::DFromV<V>(), std::numeric_limits<K>::min()));
  }
};

// Signed magnitude to two's complement, and back.
template <class V>
TARN_FN V flip_magnitude(V x) {
  const hn::DFromV<V> d;
  using K = hn::TFromV<V>;
  return hn::Xor(x, hn::And(hn::BroadcastSignBit(x), hn::Set(d, kLargest<K>)));
}

// NaNs of negative sign are the smallest; moving all down by their number wraps them to the top.
template <class K, K kInfinity>
struct FloatToKey {
  template <class V>
  TARN_FN static V apply(V x) {
    return hn::Sub(flip_magnitude(x), hn::Set(hn::DFromV<V>(), K(kLargest<K> - kInfinity)));
  }
};
template <class K, K kInfinity>
struct FloatFromKey {
  template <class V>
  TARN_FN static V apply(V key) {
    return flip_magnitude(hn::Add(key, hn::Set(hn::DFromV<V>(), K(kLargest<K> - kInfinity))));
  }
};
template <class K, K kInfinity>
struct FloatToRank {
  template <class V>
  TARN_FN static V apply(V x) {
    const hn::DFromV<V> d;
    const V largest = hn::Set(d, kLargest<K>);
    const V magnitude = hn::And(x, largest);
    const V number = hn::IfThenZeroElse(hn::Eq(magnitude, hn::Zero(d)), flip_magnitude(x));
    return hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, kInfinity)), largest, number);
  }
};

template <class K, class Map>
void convert(const void* from, void* to, size_t n) {
  const hn::ScalableTag<K> d;
  constexpr size_t kLanes = hn::MaxLanes(d);
  const K* x = static_cast<const K*>(from);
  K* y = static_cast<K*>(to);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(Map::apply(hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  alignas(HWY_MAX_BYTES) K padded[kLanes] = {};
  std::memcpy(padded, x + i, (n - i) * sizeof(K));
  hn::Store(Map::apply(hn::Load(d, padded)), d, padded);
  std::memcpy(y + i, padded, (n - i) * sizeof(K));
}

template <class K>
struct VqsortTraits {
  using Type = vqsort::SharedTraits<vqsort::TraitsLane<vqsort::OrderAscending<K>>>;
};
template <>
struct VqsortTraits<hwy::uint128_t> {
  using Type = vqsort::SharedTraits<vqsort::Traits128<vqsort::OrderAscending128>>;
};

// What hwy::Sorter calls, inside of Highway 1.0, once it has random bytes from the kernel; to get
// them takes as long as sorting 256 keys. A known seed makes no order of keys quadratic: recursion
// that gets too deep ends in a heapsort.
template <class K>
void sort_keys(void* keys, size_t n) {
  static_assert(HWY_MAJOR == 1 && HWY_MINOR == 0);
  using Traits = typename VqsortTraits<K>::Type;
  using Lane = typename Traits::LaneType;
  const hn::SortTag<Lane> d;
  constexpr size_t kLanesPerKey = sizeof(K) / sizeof(Lane);
  alignas(HWY_MAX_BYTES) Lane buffer[hwy::SortConstants::BufNum<Lane>(hn::MaxLanes(d))];
  Lane* const first = static_cast<Lane*>(keys);
  const size_t n_lanes = n * kLanesPerKey;
  vqsort::Generator generator(7);
  for (int i = 0; i < 8; ++i) generator();  // what comes first is small
  vqsort::Recurse(d, Traits(), first, first + n_lanes, n_lanes, buffer, generator,
                  2 * hwy::CeilLog2(n_lanes) + 4);
}

template <class K>
void count_reached(const void* keys, size_t n, const void* splitters, size_t n_splitters,
                   int64_t* reached) {
  const hn::ScalableTag<K> d;
  constexpr size_t kLanes = hn::MaxLanes(d);
  constexpr size_t kVectors = 4;
  const K* x = static_cast<const K*>(keys);
  for (size_t s = 0; s < n_splitters; ++s) {
    const K splitter = static_cast<const K*>(splitters)[s];
    const auto all_splitter = hn::Set(d, splitter);
    hn::Vec<decltype(d)> below[kVectors];  // negative counts
    unrolled<kVectors>([&](auto k) { below[k] = hn::Zero(d); });
    size_t i = 0;
    for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
      unrolled<kVectors>([&](auto k) {
        const auto is_below = hn::Gt(all_splitter, hn::LoadU(d, x + i + k * kLanes));
        below[k] = hn::Add(below[k], hn::VecFromMask(d, is_below));
      });
    }
    alignas(HWY_MAX_BYTES) K counts[kVectors * kLanes];
    unrolled<kVectors>([&](auto k) { hn::Store(below[k], d, counts + k * kLanes); });
    reached[s] = int64_t(i);
    for (K count : counts) reached[s] += count;
    for (; i < n; ++i) reached[s] += x[i] >= splitter;
  }
}

template <class K>
void classify(const void* keys, size_t n, const void* splitters, size_t n_splitters,
              uint8_t* buckets) {
  const hn::ScalableTag<K> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  constexpr size_t kLanes = hn::MaxLanes(d);
  constexpr size_t kVectors = 4;
  const K* x = static_cast<const K*>(keys);
  const K* split = static_cast<const K*>(splitters);
  size_t i = 0;
  for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
    hn::Vec<decltype(d)> key[kVectors], count[kVectors];
    unrolled<kVectors>([&](auto k) {
      key[k] = hn::LoadU(d, x + i + k * kLanes);
      count[k] = hn::Zero(d);
    });
    for (size_t s = 0; s < n_splitters; ++s) {
      const auto splitter = hn::Set(d, split[s]);
      unrolled<kVectors>([&](auto k) {
        // Less by the number of splitters than the bucket.
        count[k] = hn::Add(count[k], hn::VecFromMask(d, hn::Gt(splitter, key[k])));
      });
    }
    const auto last = hn::Set(d, K(n_splitters));
    unrolled<kVectors>([&](auto k) {
      const auto bucket = hn::BitCast(du, hn::Add(last, count[k]));
      hn::StoreU(hn::TruncateTo(d8, bucket), d8, buckets + i + k * kLanes);
    });
  }
  for (; i < n; ++i) {
    size_t bucket = 0;
    while (bucket < n_splitters && split[bucket] <= x[i]) ++bucket;
    buckets[i] = uint8_t(bucket);
  }
}

template <class K>
size_t keep_above(const void* keys, size_t n, const void* threshold, void* out) {
  const hn::ScalableTag<K> d;
  constexpr size_t kLanes = hn::MaxLanes(d);
  const K* x = static_cast<const K*>(keys);
  K* const first = static_cast<K*>(out);
  K* to = first;
  const K least = *static_cast<const K*>(threshold);
  const auto all_least = hn::Set(d, least);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto key = hn::LoadU(d, x + i);
    const auto is_above = hn::Gt(key, all_least);
    // Not CompressStore: some processors are slow to compress to memory.
    hn::StoreU(hn::Compress(key, is_above), d, to);
    to += hn::CountTrue(d, is_above);
  }
  for (; i < n; ++i) {
    if (x[i] > least) *to++ = x[i];
  }
  return size_t(to - first);
}

template <class K, K kInfinity>
void add_float(cpu::SortKernels& kernels, Dtype dtype) {
  kernels.to_keys[int(dtype.val())] = convert<K, FloatToKey<K, kInfinity>>;
  kernels.from_keys[int(dtype.val())] = convert<K, FloatFromKey<K, kInfinity>>;
  kernels.to_ranks[int(dtype.val())] = convert<K, FloatToRank<K, kInfinity>>;
}

template <class K>
void add_integers(cpu::SortKernels& kernels, Dtype signed_dtype, Dtype unsigned_dtype) {
  for (cpu::KeyConverter* converters : {kernels.to_keys, kernels.from_keys, kernels.to_ranks}) {
    converters[int(signed_dtype.val())] = convert<K, SameBits>;
    converters[int(unsigned_dtype.val())] = convert<K, FlipSign<K>>;
  }
}

template <class K>
void add_loops(cpu::SortKernels& kernels) {
  kernels.sort[cpu::kKeyWidth<K>] = sort_keys<K>;
  kernels.count_reached[cpu::kKeyWidth<K>] = count_reached<K>;
  kernels.classify[cpu::kKeyWidth<K>] = classify<K>;
  kernels.keep_above[cpu::kKeyWidth<K>] = keep_above<K>;
}

}  // namespace

void add_sort_kernels(cpu::SortKernels& kernels) {
  add_float<int16_t, 0x7c00>(kernels, float16);
  add_float<int16_t, 0x7f80>(kernels, bfloat16);
  add_float<int32_t, 0x7f800000>(kernels, float32);
  add_float<int64_t, 0x7ff0000000000000>(kernels, float64);
  add_integers<int8_t>(kernels, int8, uint8);
  add_integers<int8_t>(kernels, int8, bool_);
  add_integers<int16_t>(kernels, int16, uint16);
  add_integers<int32_t>(kernels, int32, uint32);
  add_integers<int64_t>(kernels, int64, uint64);
  add_loops<int16_t>(kernels);
  add_loops<int32_t>(kernels);
  add_loops<int64_t>(kernels);
  kernels.sort[cpu::kKeyWidth<hwy::uint128_t>] = sort_keys<hwy::uint128_t>;
}

}  // namespace tarn::HWY_NAMESPACE
