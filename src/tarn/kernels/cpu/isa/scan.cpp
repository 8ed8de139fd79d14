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

// Adjacent elements go through vectors of 256 bits on every instruction set: so all of them add in
// the same order and get the same bits. Wider ones gain little, because the carry passes through
// them one by one.
template <class A>
using LanesOf = hn::CappedTag<A, 32 / sizeof(A)>;

// Moves lanes up.
template <class Op, class A>
class Lanes {
 public:
  using D = LanesOf<A>;
  using V = hn::Vec<D>;
  static constexpr size_t kCount = hn::MaxLanes(D());

  TARN_FN Lanes() : identity_(hn::Set(D(), A(Op::kIdentity))) {
    unrolled<kCount>([&](auto by) {
      HWY_ALIGN Index indices[kCount];
      for (size_t i = 0; i < kCount; ++i) {
        indices[i] = Index(by == 0 ? kCount - 1 : i < by ? 0 : i - by);
      }
      from_[by] = hn::SetTableIndices(D(), indices);
    });
  }

  template <size_t kBy>
  TARN_FN V moved_up(V v) const {
    return hn::IfThenElse(hn::FirstN(D(), kBy), identity_, hn::TableLookupLanes(v, from_[kBy]));
  }
  // Each lane combined with all before it.
  template <size_t kBy = 1>
  TARN_FN V scanned(V v) const {
    v = Op::combine_lanes(moved_up<kBy>(v), v);
    if constexpr (2 * kBy < kCount) return scanned<2 * kBy>(v);
    return v;
  }
  TARN_FN V last(V v) const { return hn::TableLookupLanes(v, from_[0]); }

 private:
  using Index = hwy::MakeSigned<A>;
  using Indices = decltype(hn::SetTableIndices(D(), static_cast<const Index*>(nullptr)));

  const V identity_;
  Indices from_[kCount];  // lane i from lane i - by; with 0, every lane from the last
};

template <class Op, class E, class A, bool kReverse, bool kInclusive>
void scan_run_so(A& total, const E* from, E* to, size_t n) {
  using D = LanesOf<A>;
  const D d;
  const Lanes<Op, A> lanes;
  constexpr size_t kLanes = Lanes<Op, A>::kCount;
  auto before = hn::Set(d, total);
  const size_t n_whole = n / kLanes * kLanes;
  for (size_t i = 0; i < n_whole; i += kLanes) {
    const size_t at = kReverse ? n - kLanes - i : i;
    auto v = load_as(d, from + at);
    if constexpr (kReverse) v = hn::Reverse(d, v);
    v = lanes.scanned(v);
    auto result = Op::combine_lanes(before, kInclusive ? v : lanes.template moved_up<1>(v));
    before = Op::combine_lanes(before, lanes.last(v));
    if constexpr (kReverse) result = hn::Reverse(d, result);
    store_as(d, result, to + at);
  }
  total = hn::GetLane(before);
  for (size_t i = n_whole; i < n; ++i) {
    const size_t at = kReverse ? n - 1 - i : i;
    const A next = Op::combine(total, A(from[at]));
    to[at] = E(kInclusive ? next : total);
    total = next;
  }
}

template <class Op, class E, class A>
void scan_run(void* carry, const void* x, void* out, size_t n, ScanOrder order) {
  const auto scan = order.reverse ? (order.inclusive ? scan_run_so<Op, E, A, true, true>
                                                     : scan_run_so<Op, E, A, true, false>)
                                  : (order.inclusive ? scan_run_so<Op, E, A, false, true>
                                                     : scan_run_so<Op, E, A, false, false>);
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
