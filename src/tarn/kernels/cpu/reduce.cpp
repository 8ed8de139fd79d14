#include "tarn/kernels/cpu/reduce.h"

#include <cstring>
#include <limits>
#include <type_traits>

#include "tarn/base/complex.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/reduce_loops.h"

TARN_DECLARE_ISA_FUNCTION(add_row_adders, RowAdders)

namespace tarn::cpu {

namespace {

using Identity = Reducer::Identity;

void write_identity(Identity identity, Dtype::Val dtype, void* to) {
  visit(kAllDtypes[int(dtype)], [&]<class T>(type_tag<T>) {
    using Limits = std::numeric_limits<std::conditional_t<is_complex<T>, float, T>>;
    constexpr auto kLow = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    constexpr auto kHigh = Limits::has_infinity ? Limits::infinity() : Limits::max();
    T value = identity == Identity::zero     ? T(0)
              : identity == Identity::one    ? T(1)
              : identity == Identity::lowest ? T(kLow)
                                             : T(kHigh);
    if constexpr (is_complex<T>) {
      if (identity == Identity::lowest || identity == Identity::highest) {
        value = T(value.real(), value.real());
      }
    }
    std::memcpy(to, &value, sizeof(value));
  });
}

// Elements of an array.
struct ArraySource {
  using Reader = BlockReader;
  static constexpr int64_t kElementsPerRange = 64 << 10;

  Reader reader(Dtype::Val element) const { return BlockReader(view, element); }
  bool reads_in_place(Dtype::Val element, int64_t stride) const {
    return reader(element).reads_in_place(stride);
  }

  const View& view;
};

// Complex numbers as pairs of floats: a sum of one is the two sums of the other, in double as they
// should be.
void sum_complex(const View& in, std::span<const int> axes, const View& out,
                 const AllocateScratch& allocate) {
  Shape shape(in.shape, in.shape + in.ndim);
  Strides strides(in.strides, in.strides + in.ndim);
  for (int64_t& stride : strides) stride *= 2;
  shape.push_back(2);
  strides.push_back(1);
  const View in_pairs{in.data, shape.data(), strides.data(), in.ndim + 1, float32, 2 * in.size};
  View out_pairs = out;
  out_pairs.dtype = float32;
  out_pairs.size *= 2;
  reduce(ReduceOp::sum, in_pairs, axes, out_pairs, allocate);
}

void fill_empty(ReduceOp op, const View& out) {
  const bool is_one = op == ReduceOp::prod || op == ReduceOp::all;
  alignas(8) unsigned char value[8];
  write_identity(is_one ? Identity::one : Identity::zero, out.dtype.val(), value);
  fill(out.data, value, out.size, int(out.itemsize()));
}

}  // namespace

Reducer::Reducer(ReduceOp op, Dtype in, Dtype out) {
  const KernelTable& table = kernels();
  element = op == ReduceOp::all || op == ReduceOp::any   ? Dtype::Val::bool_
            : op == ReduceOp::max || op == ReduceOp::min ? in.val()
                                                         : out.val();
  if (element == Dtype::Val::float16 || element == Dtype::Val::bfloat16) {
    element = Dtype::Val::float32;
  }
  accumulator = element;
  const auto use = [&](const RunReducer(&runs)[kDtypeCount], ElementwiseOp pairwise, Identity i) {
    identity = i;
    run = runs[int(element)];
    combine_elements = table.elementwise[int(pairwise)][int(element)];
    combine = table.elementwise[int(pairwise)][int(accumulator)];
  };
  switch (op) {
    case ReduceOp::all:
      use(table.min, ElementwiseOp::minimum, Identity::one);
      break;
    case ReduceOp::any:
      use(table.max, ElementwiseOp::maximum, Identity::zero);
      break;
    case ReduceOp::max:
      use(table.max, ElementwiseOp::maximum, Identity::lowest);
      break;
    case ReduceOp::min:
      use(table.min, ElementwiseOp::minimum, Identity::highest);
      break;
    case ReduceOp::prod:
    case ReduceOp::sum:
      if (element == Dtype::Val::float32) accumulator = Dtype::Val::float64;
      if (op == ReduceOp::sum) {
        use(table.sum, ElementwiseOp::add, Identity::zero);
        add_rows = row_adders().of_dtype[int(element)];
      } else {
        use(table.prod, ElementwiseOp::multiply, Identity::one);
      }
      break;
  }
  widen = table.cast[int(element)][int(accumulator)];
  finish = table.cast[int(accumulator)][int(out.val())];
}

void Reducer::fill_identity(Dtype::Val dtype, void* to, int64_t n) const {
  alignas(8) unsigned char value[8];
  write_identity(identity, dtype, value);
  fill(to, value, n, kAllDtypes[int(dtype)].size());
}

const RowAdders& row_adders() {
  static const RowAdders chosen = [] {
    RowAdders made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_row_adders, made);
    return made;
  }();
  return chosen;
}

void reduce(ReduceOp op, const View& in, std::span<const int> axes, const View& out,
            const AllocateScratch& allocate) {
  if (out.size == 0) return;
  if (in.size == 0) return fill_empty(op, out);
  if (op == ReduceOp::sum && in.dtype == complex64) return sum_complex(in, axes, out, allocate);
  const Reducer reducer(op, in.dtype, out.dtype);
  reduce_elements(reducer, ArraySource{in}, split_axes(in, axes), out, allocate);
}

}  // namespace tarn::cpu
