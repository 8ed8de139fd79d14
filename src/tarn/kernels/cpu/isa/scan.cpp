// Scans of floats.
#include <limits>

#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/scan_kernels.h"

namespace tarn::HWY_NAMESPACE {

namespace {

struct Sum {
  static constexpr double kIdentity = 0;
  template <class V>
  TARN_FN static V combine_lanes(V x, V y) {
    return hn::Add(x, y);
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return x + y;
  }
};

struct Prod {
  static constexpr double kIdentity = 1;
  template <class V>
  TARN_FN static V combine_lanes(V x, V y) {
    return hn::Mul(x, y);
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return x * y;
  }
};

// x86's min and max return the second operand when either is NaN.
struct Max {
  static constexpr double kIdentity = -std::numeric_limits<double>::infinity();
  template <class V>
  TARN_FN static V combine_lanes(V x, V y) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(x, y));
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return x != x || x > y ? x : y;
  }
};

struct Min {
  static constexpr double kIdentity = std::numeric_limits<double>::infinity();
  template <class V>
  TARN_FN static V combine_lanes(V x, V y) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(x, y));
  }
  template <class T>
  TARN_FN static T combine(T x, T y) {
    return x != x || x < y ? x : y;
  }
};

template <class D, class E>
TARN_FN hn::Vec<D> load_as(D d, const E* p) {
  if constexpr (std::is_same_v<hn::TFromD<D>, E>) {
    return hn::LoadU(d, p);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<E, D>(), p));
  }
}

template <bool kStream = false, class D, class E>
TARN_FN void store_as(D d, hn::Vec<D> v, E* p) {
  if constexpr (!std::is_same_v<hn::TFromD<D>, E>) {
    const hn::Rebind<E, D> narrow;
    store_as<kStream>(narrow, hn::DemoteTo(narrow, v), p);
  } else if constexpr (kStream) {
    hn::Stream(v, d, p);
  } else {
    hn::StoreU(v, d, p);
  }
}

// How the lanes of a vector are combined with those before them.
template <class Op, class A>
class Lanes {
 public:
  using D = hn::ScalableTag<A>;
  using V = hn::Vec<D>;
  static constexpr size_t kCount = hn::MaxLanes(D());

  // Each lane combined with all before it: first in groups of two, then of four, and so on, the
  // lanes of a second half with the last of the first.
  template <size_t kHalf = 1>
  TARN_FN static V scanned(V v) {
    const Indices d;
    const auto in_second = hn::TestBit(hn::Iota(d, 0), hn::Set(d, Index(kHalf)));
    const V combined = Op::combine_lanes(from_lanes<end_of_first<kHalf>>(v), v);
    v = hn::IfThenElse(hn::RebindMask(D(), in_second), combined, v);
    if constexpr (2 * kHalf < kCount) return scanned<2 * kHalf>(v);
    return v;
  }
  TARN_FN static V last(V v) { return from_lanes<end_of_first<kCount>>(v); }
  // One lane up, behind `first`.
  TARN_FN static V moved_up(V v, V first) {
    return hn::IfThenElse(hn::FirstN(D(), 1), first, from_lanes<lane_before>(v));
  }

 private:
  using Index = hwy::MakeSigned<A>;
  using Indices = hn::ScalableTag<Index>;

  template <size_t kHalf>
  static constexpr size_t end_of_first(size_t lane) {
    return lane / (2 * kHalf) * (2 * kHalf) + kHalf - 1;
  }
  static constexpr size_t lane_before(size_t lane) { return lane == 0 ? 0 : lane - 1; }

  template <size_t (*kSource)(size_t)>
  struct Table {
    alignas(64) Index lanes[kCount];

    constexpr Table() : lanes() {
      for (size_t i = 0; i < kCount; ++i) lanes[i] = Index(kSource(i));
    }
  };
  // Lane i from lane kSource(i).
  template <size_t (*kSource)(size_t)>
  TARN_FN static V from_lanes(V v) {
    static constexpr Table<kSource> kTable;
    return hn::TableLookupLanes(v, hn::SetTableIndices(D(), kTable.lanes));
  }
};

// Adjacent elements are combined in blocks, of as many vectors as an instruction set needs: so all
// of them add in the same order and get the same bits. (Of more than two vectors the last step of
// Lanes::scanned() would have to be followed.)
template <class A>
constexpr size_t kBlock = 64 / sizeof(A);
// What is fetched meanwhile: the processor itself does not look beyond a page.
constexpr int64_t kBytesAhead = 2 << 10;

template <class Op, class E, class A, bool kReverse, bool kInclusive, bool kStream>
void scan_run_so(A& total, const E* from, E* to, size_t n) {
  using L = Lanes<Op, A>;
  using V = typename L::V;
  const typename L::D d;
  constexpr size_t kVectors = kBlock<A> / L::kCount;
  static_assert(kVectors <= 2);
  V before = hn::Set(d, total);
  // One after the other where the product of a block could overflow, or underflow, although what
  // it is to be multiplied by makes up for that.
  constexpr bool kInOrder = std::is_same_v<Op, Prod> && std::is_same_v<E, double>;
  const size_t n_whole = kInOrder ? 0 : n / kBlock<A> * kBlock<A>;
  for (size_t i = 0; i < n_whole; i += kBlock<A>) {
    const auto place = [&](size_t k) TARN_LAMBDA {
      return kReverse ? n - i - (k + 1) * L::kCount : i + k * L::kCount;
    };
    V v[kVectors];
    __builtin_prefetch(
        reinterpret_cast<const char*>(from + place(0)) + (kReverse ? -kBytesAhead : kBytesAhead), 0,
        2);
    unrolled<kVectors>([&](auto k) TARN_LAMBDA {
      v[k] = load_as(d, from + place(k));
      if constexpr (kReverse) v[k] = hn::Reverse(d, v[k]);
      v[k] = L::scanned(v[k]);
      if constexpr (k > 0) v[k] = Op::combine_lanes(L::last(v[k - 1]), v[k]);
    });
    V lower = hn::Set(d, A(Op::kIdentity));
    unrolled<kVectors>([&](auto k) TARN_LAMBDA {
      V result = Op::combine_lanes(before, kInclusive ? v[k] : L::moved_up(v[k], lower));
      lower = L::last(v[k]);
      if constexpr (kReverse) result = hn::Reverse(d, result);
      store_as<kStream>(d, result, to + place(k));
    });
    before = Op::combine_lanes(before, lower);
  }
  total = hn::GetLane(before);
  for (size_t i = n_whole; i < n; ++i) {
    const size_t at = kReverse ? n - 1 - i : i;
    const A next = Op::combine(total, A(from[at]));
    to[at] = E(kInclusive ? next : total);
    total = next;
  }
}

template <class Op, class E, class A, bool kStream>
auto scan_run_for(ScanOrder order) {
  return order.reverse ? (order.inclusive ? scan_run_so<Op, E, A, true, true, kStream>
                                          : scan_run_so<Op, E, A, true, false, kStream>)
                       : (order.inclusive ? scan_run_so<Op, E, A, false, true, kStream>
                                          : scan_run_so<Op, E, A, false, false, kStream>);
}

template <class Op, class E, class A>
void scan_run(void* carry, const void* x, void* out, size_t n, ScanOrder order, bool stream) {
  const auto scan =
      stream ? scan_run_for<Op, E, A, true>(order) : scan_run_for<Op, E, A, false>(order);
  scan(*static_cast<A*>(carry), static_cast<const E*>(x), static_cast<E*>(out), n);
}

template <class Op, class E, class A, bool kInclusive, bool kStream>
TARN_FN void scan_columns_so(A* total, const E* from, E* to, const E* next, size_t n) {
  const hn::ScalableTag<A> d;
  constexpr size_t kLine = 64 / sizeof(E);
  constexpr size_t kLanes = hn::MaxLanes(d);
  size_t i = 0;
  for (; i + kLine <= n; i += kLine) {
    __builtin_prefetch(next + i, 0, 2);
    for (size_t at = i; at < i + kLine; at += kLanes) {
      const auto before = hn::LoadU(d, total + at);
      const auto after = Op::combine_lanes(before, load_as(d, from + at));
      hn::StoreU(after, d, total + at);
      store_as<kStream>(d, kInclusive ? after : before, to + at);
    }
  }
  for (; i < n; ++i) {
    const A before = total[i];
    total[i] = Op::combine(before, A(from[i]));
    to[i] = E(kInclusive ? total[i] : before);
  }
}

template <class Op, class E, class A>
void scan_columns(void* carries, const void* x, void* out, const void* next, size_t n,
                  bool inclusive, bool stream) {
  const auto scan = inclusive ? (stream ? scan_columns_so<Op, E, A, true, true>
                                        : scan_columns_so<Op, E, A, true, false>)
                              : (stream ? scan_columns_so<Op, E, A, false, true>
                                        : scan_columns_so<Op, E, A, false, false>);
  scan(static_cast<A*>(carries), static_cast<const E*>(x), static_cast<E*>(out),
       static_cast<const E*>(next), n);
}

// Relative to what exponentials are summed: to zero if the largest element is infinite, because
// inf - inf would be NaN.
TARN_FN Pack<double> origin(Pack<double> largest) {
  return select(math::isfinite(largest), largest, Pack<double>(0.0));
}

void log_terms(const double* largest_before, const double* largest, const double* x, double* scale,
               double* term, size_t n) {
  constexpr size_t kLanes = Pack<double>::kLanes;
  for (size_t i = 0; i < n; i += kLanes) {
    const Pack<double> zero = origin(load(largest + i));
    store(scale + i, exp(load(largest_before + i) - zero));
    store(term + i, exp(load(x + i) - zero));
  }
}

void log_sums(const double* largest, const double* sum, double* out, size_t n) {
  constexpr size_t kLanes = Pack<double>::kLanes;
  for (size_t i = 0; i < n; i += kLanes) {
    store(out + i, origin(load(largest + i)) + log(load(sum + i)));
  }
}

}  // namespace

void add_scan_kernels(cpu::ScanKernels& kernels) {
  const auto add = [&]<class Op, class E, class A>(ScanOp op, Op, type_tag<E>, type_tag<A>) {
    const int dtype = int(dtype_of<E>.val());
    kernels.run[int(op)][dtype] = scan_run<Op, E, A>;
    kernels.columns[int(op)][dtype] = scan_columns<Op, E, A>;
  };
  const type_tag<float> of_float;
  const type_tag<double> of_double;
  add(ScanOp::cummax, Max(), of_float, of_float);
  add(ScanOp::cummax, Max(), of_double, of_double);
  add(ScanOp::cummin, Min(), of_float, of_float);
  add(ScanOp::cummin, Min(), of_double, of_double);
  add(ScanOp::cumprod, Prod(), of_float, of_double);
  add(ScanOp::cumprod, Prod(), of_double, of_double);
  add(ScanOp::cumsum, Sum(), of_float, of_double);
  add(ScanOp::cumsum, Sum(), of_double, of_double);
  kernels.log_terms = log_terms;
  kernels.log_sums = log_sums;
}

}  // namespace tarn::HWY_NAMESPACE
