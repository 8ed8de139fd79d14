// What every elementwise operation says about itself: texts, dtype rule, where tests sample.
// Seen by the host, every instruction set's build, nvcc and NVRTC, so it includes nothing.
#pragma once

namespace tarn {

struct OpInfo {
  const char* name;
  const char* args;  // as a Python signature would have it: "x, y"
  const char* doc;   // one sentence
};

// Kinds of dtype, as bits of a set.
using DtypeKinds = unsigned;
inline constexpr DtypeKinds kBoolKind = 1;
inline constexpr DtypeKinds kUnsignedKind = 2;
inline constexpr DtypeKinds kSignedKind = 4;
inline constexpr DtypeKinds kFloatingKind = 8;
inline constexpr DtypeKinds kComplexKind = 16;
inline constexpr DtypeKinds kIntegerKinds = kUnsignedKind | kSignedKind;
inline constexpr DtypeKinds kInexactKinds = kFloatingKind | kComplexKind;
inline constexpr DtypeKinds kRealKinds = kBoolKind | kIntegerKinds | kFloatingKind;
inline constexpr DtypeKinds kAllKinds = kBoolKind | kIntegerKinds | kInexactKinds;

// Which inputs an operation takes, the dtype it computes in and the dtype of its result. "Promoted"
// is promote_types over all inputs (of select: over all but the condition, which is always bool).
struct DtypeRule {
  enum class Compute : unsigned char {
    promoted,
    promoted_float,    // as promoted; bool and integers become float32
    promoted_integer,  // as promoted; bool becomes uint8
    boolean,           // nonzero is true
    float32,
    byte,  // uint8, and no other dtype is accepted
  };
  enum class Result : unsigned char {
    computed,  // the dtype computed in
    boolean,
    real_part,  // as computed; complex64 becomes float32
    float32,
    byte,
  };

  DtypeKinds accepts = kAllKinds;
  Compute compute = Compute::promoted;
  Result result = Result::computed;
  // What is its own result: there is nothing to compute.
  DtypeKinds unchanged = 0;

  constexpr DtypeRule without(DtypeKinds kinds) const {
    return {accepts & ~kinds, compute, result, unchanged};
  }
  constexpr DtypeRule leaving(DtypeKinds kinds) const { return {accepts, compute, result, kinds}; }
};

inline constexpr DtypeRule kSameResult{};
inline constexpr DtypeRule kFloatResult{.compute = DtypeRule::Compute::promoted_float};
inline constexpr DtypeRule kBoolResult{.result = DtypeRule::Result::boolean};
inline constexpr DtypeRule kLogicalResult{.compute = DtypeRule::Compute::boolean,
                                          .result = DtypeRule::Result::boolean};
// Of functions that round: what is no fraction stays.
inline constexpr DtypeRule kRoundedResult{.unchanged = kBoolKind | kIntegerKinds};
inline constexpr DtypeRule kToFp8Result{.accepts = kRealKinds,
                                        .compute = DtypeRule::Compute::float32,
                                        .result = DtypeRule::Result::byte};
inline constexpr DtypeRule kFromFp8Result{.accepts = kUnsignedKind,
                                          .compute = DtypeRule::Compute::byte,
                                          .result = DtypeRule::Result::float32};
inline constexpr DtypeRule kMagnitudeResult{.result = DtypeRule::Result::real_part};
inline constexpr DtypeRule kBitwiseResult{.accepts = kBoolKind | kIntegerKinds};
inline constexpr DtypeRule kShiftResult{.accepts = kBoolKind | kIntegerKinds,
                                        .compute = DtypeRule::Compute::promoted_integer};

// The interval from which tests draw the operands of floating and complex dtypes. Special values
// are always tested.
struct Domain {
  double low = -100;
  double high = 100;
};

}  // namespace tarn
