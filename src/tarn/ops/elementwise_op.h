// The closed set of elementwise operations, derived from the lists in unary.h, elementary.h,
// binary.h and ternary.h.
#pragma once

#include <cstdint>

#include "tarn/base/dtype.h"
#include "tarn/ops/binary.h"
#include "tarn/ops/ternary.h"
#include "tarn/ops/unary.h"

namespace tarn {

// Note [An operation is declared once]
// A list holds names, because only the preprocessor can make names. A struct of that name holds
// everything else: texts
// (`info`), dtype rule (`dtypes`), the interval tests sample (`domain`) and one formula (`apply`),
// which is instantiated with scalars, with the packs of each instruction set and with CUDA's types.
// Kernel tables, functions, bindings, documentation and table tests are folds over the lists.
// `OnBool` names the operation that takes over for bool, for the few whose formula on the bytes 0
// and 1 would leave that set.

enum class ElementwiseOp : uint8_t {
  cast,  // of any dtype to any other; the only one without a struct, as it has two dtypes
#define TARN_ENUMERATOR(name, Type) name,
  TARN_UNARY_OPS(TARN_ENUMERATOR) TARN_BINARY_OPS(TARN_ENUMERATOR) TARN_TERNARY_OPS(TARN_ENUMERATOR)
#undef TARN_ENUMERATOR
};

// Everything about an operation that does not need its formula.
struct ElementwiseTraits {
  OpInfo info;
  DtypeRule dtypes;
  Domain domain;
  int arity;
};

inline constexpr ElementwiseTraits kElementwiseTraits[] = {
    {{"astype", "x, dtype", "Each element converted to another dtype."}, kSameResult, {}, 1},
#define TARN_TRAITS_1(name, Type) {ops::Type::info, ops::Type::dtypes, ops::Type::domain, 1},
#define TARN_TRAITS_2(name, Type) {ops::Type::info, ops::Type::dtypes, ops::Type::domain, 2},
#define TARN_TRAITS_3(name, Type) {ops::Type::info, ops::Type::dtypes, ops::Type::domain, 3},
    TARN_UNARY_OPS(TARN_TRAITS_1) TARN_BINARY_OPS(TARN_TRAITS_2) TARN_TERNARY_OPS(TARN_TRAITS_3)
#undef TARN_TRAITS_1
#undef TARN_TRAITS_2
#undef TARN_TRAITS_3
};
inline constexpr int kElementwiseOpCount =
    sizeof(kElementwiseTraits) / sizeof(kElementwiseTraits[0]);

constexpr const ElementwiseTraits& traits_of(ElementwiseOp op) {
  return kElementwiseTraits[int(op)];
}

// The enumerator of an operation's struct.
template <class Op>
inline constexpr ElementwiseOp kElementwiseOp = Op::is_not_in_a_list_of_elementwise_operations;
#define TARN_ENUMERATOR_OF(name, Type) \
  template <>                          \
  inline constexpr ElementwiseOp kElementwiseOp<ops::Type> = ElementwiseOp::name;
TARN_UNARY_OPS(TARN_ENUMERATOR_OF)
TARN_BINARY_OPS(TARN_ENUMERATOR_OF)
TARN_TERNARY_OPS(TARN_ENUMERATOR_OF)
#undef TARN_ENUMERATOR_OF

constexpr DtypeKinds kind_of(Dtype::Val dtype) {
  switch (dtype) {
    case Dtype::Val::bool_:
      return kBoolKind;
    case Dtype::Val::uint8:
    case Dtype::Val::uint16:
    case Dtype::Val::uint32:
    case Dtype::Val::uint64:
      return kUnsignedKind;
    case Dtype::Val::int8:
    case Dtype::Val::int16:
    case Dtype::Val::int32:
    case Dtype::Val::int64:
      return kSignedKind;
    case Dtype::Val::complex64:
      return kComplexKind;
    default:
      return kFloatingKind;
  }
}

constexpr bool accepts(const DtypeRule& rule, Dtype promoted) {
  if (rule.compute == DtypeRule::Compute::byte) return promoted == uint8;
  return (rule.accepts & kind_of(promoted)) != 0;
}

// The dtype that operands of the promoted dtype are cast to before the operation.
constexpr Dtype compute_dtype(const DtypeRule& rule, Dtype promoted) {
  const DtypeKinds kind = kind_of(promoted);
  switch (rule.compute) {
    case DtypeRule::Compute::promoted_float:
      return (kind & kInexactKinds) ? promoted : float32;
    case DtypeRule::Compute::promoted_integer:
      return kind == kBoolKind ? uint8 : promoted;
    case DtypeRule::Compute::boolean:
      return bool_;
    case DtypeRule::Compute::float32:
      return float32;
    case DtypeRule::Compute::byte:
    case DtypeRule::Compute::promoted:
      break;
  }
  return promoted;
}

// Whether there are kernels for operands of this dtype.
constexpr bool computes_in(const DtypeRule& rule, Dtype dtype) {
  return accepts(rule, dtype) && compute_dtype(rule, dtype) == dtype &&
         (rule.unchanged & kind_of(dtype)) == 0;
}

constexpr Dtype result_dtype(const DtypeRule& rule, Dtype computed) {
  switch (rule.result) {
    case DtypeRule::Result::boolean:
      return bool_;
    case DtypeRule::Result::real_part:
      return kind_of(computed) == kComplexKind ? float32 : computed;
    case DtypeRule::Result::float32:
      return float32;
    case DtypeRule::Result::byte:
      return uint8;
    case DtypeRule::Result::computed:
      break;
  }
  return computed;
}

}  // namespace tarn
