// Element types: what they are called, how large they are, how they combine. Everything follows
// from dtype.def.
//
// The C++ types of half.h and complex.h are only declared here; include those headers to compute
// with them.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <utility>

namespace tarn {

struct float16_t;
struct bfloat16_t;
struct complex64_t;

struct Dtype {
  enum class Val {
#define TARN_DTYPE(name, text, type, kind, category, bytes) name,
#include "tarn/base/dtype.def"
  };

  // NumPy's kind letters; bfloat16 is V ("void") because NumPy has no such type.
  enum class Kind { b, u, i, f, c, V };

  // generic ⊃ {bool_, number}; number ⊃ {integer ⊃ {signedinteger, unsignedinteger},
  // inexact ⊃ {floating, complexfloating}}.
  enum class Category {
    complexfloating,
    floating,
    inexact,
    signedinteger,
    unsignedinteger,
    integer,
    number,
    generic,
  };

  constexpr explicit Dtype(Val val, uint8_t size) : val_(val), size_(size) {}

  constexpr operator Val() const { return val_; }
  constexpr Val val() const { return val_; }
  constexpr uint8_t size() const { return size_; }  // bytes of one element

 private:
  Val val_;
  uint8_t size_;
};

#define TARN_DTYPE(name, text, type, kind, category, bytes) \
  inline constexpr Dtype name{Dtype::Val::name, bytes};
#include "tarn/base/dtype.def"

inline constexpr Dtype::Category complexfloating = Dtype::Category::complexfloating;
inline constexpr Dtype::Category floating = Dtype::Category::floating;
inline constexpr Dtype::Category inexact = Dtype::Category::inexact;
inline constexpr Dtype::Category signedinteger = Dtype::Category::signedinteger;
inline constexpr Dtype::Category unsignedinteger = Dtype::Category::unsignedinteger;
inline constexpr Dtype::Category integer = Dtype::Category::integer;
inline constexpr Dtype::Category number = Dtype::Category::number;
inline constexpr Dtype::Category generic = Dtype::Category::generic;

inline constexpr Dtype kAllDtypes[] = {
#define TARN_DTYPE(name, text, type, kind, category, bytes) name,
#include "tarn/base/dtype.def"
};
inline constexpr int kDtypeCount = sizeof(kAllDtypes) / sizeof(kAllDtypes[0]);

// Two dtypes: equality. A dtype or category within a category: the tree above. A category is never
// within a dtype.
bool issubdtype(const Dtype& a, const Dtype& b);
bool issubdtype(const Dtype::Category& a, const Dtype& b);
bool issubdtype(const Dtype& a, const Dtype::Category& b);
bool issubdtype(const Dtype::Category& a, const Dtype::Category& b);

// The dtype that a binary operation computes in. Symmetric. Two surprises, both MLX's: uint64 with
// a signed integer is float32, float64 with complex64 is complex64.
Dtype promote_types(const Dtype& t1, const Dtype& t2);

constexpr uint8_t size_of(const Dtype& t) { return t.size(); }
Dtype::Kind kindof(const Dtype& t);
Dtype::Category category_of(const Dtype& t);
const char* dtype_name(const Dtype& t);  // "float32"; of bool_ it is "bool"

std::ostream& operator<<(std::ostream& os, const Dtype& t);
std::ostream& operator<<(std::ostream& os, const Dtype::Kind& k);

template <class T>
struct type_tag {
  using type = T;
};

// The dtype whose elements are of C++ type T.
template <class T>
inline constexpr Dtype dtype_of = T::dtype_of_is_not_defined_for_this_type;
#define TARN_DTYPE(name, text, type, kind, category, bytes) \
  template <>                                               \
  inline constexpr Dtype dtype_of<type> = name;
#include "tarn/base/dtype.def"

// The dtype of an array made from C++ values of type T. As dtype_of, except that double gives
// float32: literals such as 0.5 must not turn a computation into float64.
template <class T>
struct TypeToDtype {
  constexpr operator Dtype() const { return dtype_of<T>; }
};
template <>
struct TypeToDtype<double> {
  constexpr operator Dtype() const { return float32; }
};

// Calls f(type_tag<T>{}) with T the C++ element type of `t`; all calls must return the same type.
template <class F>
decltype(auto) visit(Dtype t, F&& f) {
  switch (t.val()) {
#define TARN_DTYPE(name, text, type, kind, category, bytes) \
  case Dtype::Val::name:                                    \
    return std::forward<F>(f)(type_tag<type>{});
#include "tarn/base/dtype.def"
  }
  __builtin_unreachable();
}

// Limits of a floating type. Of complex64: those of its float32 parts, with dtype float32.
// Throws std::invalid_argument for other types.
struct finfo {
  explicit finfo(Dtype dtype);
  Dtype dtype;
  int bits;
  double min;
  double max;
  double eps;
  double smallest_normal;
};

// Limits of an integer type. Throws std::invalid_argument for other types.
struct iinfo {
  explicit iinfo(Dtype dtype);
  Dtype dtype;
  int64_t min;
  uint64_t max;
};

}  // namespace tarn
