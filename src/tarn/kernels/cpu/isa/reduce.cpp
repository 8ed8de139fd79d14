// Reductions of contiguous elements to one.
//
// Elements are dealt out to as many lanes as fit into 256 bytes, whatever the size of a register,
// and the lanes are combined in halves: every instruction set adds in the same order and gets the
// same bits.
#include <limits>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"
#include "tarn/kernels/cpu/reduce_layout.h"

namespace tarn::HWY_NAMESPACE {

namespace {

constexpr size_t kPacks = 256 / HWY_MAX_BYTES;

// Floating-point numbers that are folded to one before they are combined with the accumulator,
// which of floats is a double: bounds the error of long sums. As many as are read at once where
// they are not in memory, so that the bits of a result do not tell how its elements were read.
constexpr size_t kFolded = cpu::BlockReader::kBlock;

// Scalars wrap as packs do.
template <class T>
TARN_FN T wrapping_add(T x, T y) {
  if constexpr (std::is_integral_v<T>) return T(uint64_t(x) + uint64_t(y));
  return x + y;
}
template <class T>
TARN_FN T wrapping_multiply(T x, T y) {
  if constexpr (std::is_integral_v<T>) return T(uint64_t(x) * uint64_t(y));
  return x * y;
}

struct Sum {
  template <class E>
  using Accumulator = std::conditional_t<std::is_same_v<E, float>, double, E>;
  template <class E>
  static constexpr E kIdentity = 0;

  template <class E>
  TARN_FN static Pack<E> combine(Pack<E> x, Pack<E> y) {
    return x + y;
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return wrapping_add(x, y);
  }
};

struct Prod {
  template <class E>
  using Accumulator = std::conditional_t<std::is_same_v<E, float>, double, E>;
  template <class E>
  static constexpr E kIdentity = 1;

  template <class E>
  TARN_FN static Pack<E> combine(Pack<E> x, Pack<E> y) {
    return x * y;
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return wrapping_multiply(x, y);
  }
};

// With lowest() a NaN-only maximum would still be right, but an all -infinity one would not.
template <class E>
constexpr E kLowest = kIsFloatLane<E> ? -std::numeric_limits<E>::infinity()
                                      : std::numeric_limits<E>::lowest();
template <class E>
constexpr E kHighest = kIsFloatLane<E> ? std::numeric_limits<E>::infinity()
                                       : std::numeric_limits<E>::max();

struct Max {
  template <class E>
  using Accumulator = E;
  template <class E>
  static constexpr E kIdentity = kLowest<E>;

  template <class T>
  TARN_FN static T combine(T x, T y) {
    using math::max;
    return max(x, y);
  }
};

struct Min {
  template <class E>
  using Accumulator = E;
  template <class E>
  static constexpr E kIdentity = kHighest<E>;

  template <class T>
  TARN_FN static T combine(T x, T y) {
    using math::min;
    return min(x, y);
  }
};

// The n elements, fewer than a pack, and the identity in the other lanes.
template <class E>
TARN_FN Pack<E> load_some(const E* p, size_t n, Pack<E> identity) {
  alignas(HWY_MAX_BYTES) E padded[Pack<E>::kLanes];
  store(padded, identity);
  copy_small(reinterpret_cast<unsigned char*>(padded), reinterpret_cast<const unsigned char*>(p),
             n * sizeof(E));
  return load(padded);
}

// Combines lanes[k] with lanes[k + kHalf], and so on until one is left.
template <class R, size_t kHalf, class T>
TARN_FN void fold_halves(T* lanes) {
  unrolled<kHalf>([&](auto k) { lanes[k] = R::combine(lanes[k], lanes[k + kHalf]); });
  if constexpr (kHalf > 1) fold_halves<R, kHalf / 2>(lanes);
}

template <class R, class E>
TARN_FN E fold(Pack<E> (&lanes)[kPacks]) {
  fold_halves<R, kPacks / 2>(lanes);
  alignas(HWY_MAX_BYTES) E folded[Pack<E>::kLanes];
  store(folded, lanes[0]);
  fold_halves<R, Pack<E>::kLanes / 2>(folded);
  return folded[0];
}

template <class R, class E>
void reduce_run(void* accumulator, const void* elements, size_t n) {
  using A = typename R::template Accumulator<E>;
  constexpr size_t kLanes = Pack<E>::kLanes;
  constexpr size_t kRound = kPacks * kLanes;
  static_assert(kFolded % kRound == 0);
  A& total = *static_cast<A*>(accumulator);
  const E* x = static_cast<const E*>(elements);
  const Pack<E> identity(R::template kIdentity<E>);
  while (n > 0) {
    const size_t n_block = kIsFloatLane<E> ? HWY_MIN(n, kFolded) : n;
    Pack<E> lanes[kPacks];
    unrolled<kPacks>([&](auto k) { lanes[k] = identity; });
    size_t i = 0;
    for (; i + kRound <= n_block; i += kRound) {
      unrolled<kPacks>([&](auto k) { lanes[k] = R::combine(lanes[k], load(x + i + k * kLanes)); });
    }
    unrolled<kPacks>([&](auto k) {
      if (i + kLanes <= n_block) {
        lanes[k] = R::combine(lanes[k], load(x + i));
        i += kLanes;
      } else if (i < n_block) {
        lanes[k] = R::combine(lanes[k], load_some(x + i, n_block - i, identity));
        i = n_block;
      }
    });
    total = R::combine(total, A(fold<R>(lanes)));
    x += n_block;
    n -= n_block;
  }
}

// Comparisons with NaN are false: a NaN is never better, and nothing is better than one.
struct IsAbove {
  template <class T>
  TARN_FN static auto is_better(T x, T y) {
    return x > y;
  }
};
struct IsBelow {
  template <class T>
  TARN_FN static auto is_better(T x, T y) {
    return x < y;
  }
};

template <class Order, class E>
TARN_FN Pack<E> better(Pack<E> x, Pack<E> best) {
  return select(Order::is_better(x, best), x, best);
}

template <class E>
TARN_FN size_t find_first(const E* x, size_t n, E wanted) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  const Pack<E> all_wanted(wanted);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto found = hn::FindFirstTrue(typename Pack<E>::D(), (load(x + i) == all_wanted).m);
    if (found >= 0) return i + size_t(found);
  }
  while (i < n && x[i] != wanted) ++i;
  return i;
}

// First the best value of a block, then, if it beats all before, where it is: the block is still in
// the cache.
constexpr size_t kArgBlockBytes = 16 << 10;

template <class Order, class E>
void find_best(cpu::ArgBest& best, const void* elements, size_t n, uint32_t first) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  constexpr size_t kRound = kPacks * kLanes;
  constexpr size_t kBlock = kArgBlockBytes / sizeof(E);
  const E* x = static_cast<const E*>(elements);
  E value;
  std::memcpy(&value, best.value, sizeof(E));
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const E* block = x + begin;
    const size_t n_block = HWY_MIN(n - begin, kBlock);
    const Pack<E> before(value);
    Pack<E> lanes[kPacks];
    unrolled<kPacks>([&](auto k) { lanes[k] = before; });
    size_t i = 0;
    for (; i + kRound <= n_block; i += kRound) {
      unrolled<kPacks>(
          [&](auto k) { lanes[k] = better<Order>(load(block + i + k * kLanes), lanes[k]); });
    }
    for (; i < n_block; i += kLanes) {
      const Pack<E> pack =
          i + kLanes <= n_block ? load(block + i) : load_some(block + i, n_block - i, before);
      lanes[0] = better<Order>(pack, lanes[0]);
    }
    unrolled<kPacks>([&](auto k) { lanes[0] = better<Order>(lanes[k], lanes[0]); });
    alignas(HWY_MAX_BYTES) E stored[kLanes];
    store(stored, lanes[0]);
    E block_best = value;
    for (E lane : stored) {
      if (Order::is_better(lane, block_best)) block_best = lane;
    }
    if (Order::is_better(block_best, value)) {
      value = block_best;
      best.index = first + uint32_t(begin + find_first(block, n_block, value));
    }
  }
  std::memcpy(best.value, &value, sizeof(E));
}

template <class... E>
void add_extremes(cpu::KernelTable& table) {
  const auto add = [&]<class T>(type_tag<T>) {
    const int dtype = int(dtype_of<T>.val());
    table.max[dtype] = reduce_run<Max, T>;
    table.min[dtype] = reduce_run<Min, T>;
    table.arg_max[dtype] = find_best<IsAbove, T>;
    table.arg_min[dtype] = find_best<IsBelow, T>;
  };
  (add(type_tag<E>{}), ...);
}

// Unsigned integers wrap as signed ones do.
template <class E, class SameBits = E>
void add_sums(cpu::KernelTable& table) {
  for (const Dtype::Val dtype : {dtype_of<E>.val(), dtype_of<SameBits>.val()}) {
    table.sum[int(dtype)] = reduce_run<Sum, E>;
    table.prod[int(dtype)] = reduce_run<Prod, E>;
  }
}

}  // namespace

void add_reduce_kernels(cpu::KernelTable& table) {
  add_sums<float>(table);
  add_sums<double>(table);
  add_sums<int32_t, uint32_t>(table);
  add_sums<int64_t, uint64_t>(table);
  add_extremes<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
               uint64_t>(table);
  const int from = int(Dtype::Val::uint8);
  const int to = int(Dtype::Val::bool_);
  table.max[to] = table.max[from];
  table.min[to] = table.min[from];
  table.arg_max[to] = table.arg_max[from];
  table.arg_min[to] = table.arg_min[from];
}

}  // namespace tarn::HWY_NAMESPACE
