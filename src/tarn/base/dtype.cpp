#include "tarn/base/dtype.h"

#include <array>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"

namespace tarn {

namespace {

#define TARN_DTYPE(name, text, type, kind, category, bytes) static_assert(sizeof(type) == bytes);
#include "tarn/base/dtype.def"

struct Row {
  const char* name;
  Dtype::Kind kind;
  Dtype::Category category;
};

constexpr Row kRows[] = {
#define TARN_DTYPE(name, text, type, kind, category, bytes) \
  {text, Dtype::Kind::kind, Dtype::Category::category},
#include "tarn/base/dtype.def"
};

constexpr const Row& row(Dtype t) { return kRows[static_cast<int>(t.val())]; }

constexpr Dtype signed_integer_of_size(int nbytes) {
  return nbytes == 1 ? int8 : nbytes == 2 ? int16 : nbytes == 4 ? int32 : int64;
}

constexpr Dtype promote(Dtype a, Dtype b) {
  if (a == b || b == bool_) return a;
  if (a == bool_) return b;
  if (a == complex64 || b == complex64) return complex64;

  const bool a_floats = row(a).category == floating;
  const bool b_floats = row(b).category == floating;
  if (a_floats && b_floats) {
    if (a.size() == b.size()) return float32;  // float16 and bfloat16: neither holds the other
    return a.size() > b.size() ? a : b;
  }
  if (a_floats || b_floats) return a_floats ? a : b;

  if (row(a).kind == row(b).kind) return a.size() > b.size() ? a : b;
  const Dtype u = row(a).kind == Dtype::Kind::u ? a : b;
  const Dtype i = row(a).kind == Dtype::Kind::u ? b : a;
  if (u == uint64) return float32;
  return i.size() > u.size() ? i : signed_integer_of_size(2 * u.size());
}

constexpr auto kPromoted = [] {
  std::array<std::array<Dtype::Val, kDtypeCount>, kDtypeCount> table{};
  for (Dtype a : kAllDtypes) {
    for (Dtype b : kAllDtypes) {
      table[static_cast<int>(a.val())][static_cast<int>(b.val())] = promote(a, b).val();
    }
  }
  return table;
}();

// The next larger category of the tree; generic is its own.
constexpr Dtype::Category parent(Dtype::Category c) {
  switch (c) {
    case complexfloating:
    case floating:
      return inexact;
    case signedinteger:
    case unsignedinteger:
      return integer;
    case inexact:
    case integer:
      return number;
    case number:
    case generic:
      return generic;
  }
  __builtin_unreachable();
}

std::invalid_argument wrong_dtype(const char* op, Dtype dtype, const char* wanted) {
  return std::invalid_argument(std::string("[") + op + "] " + dtype_name(dtype) + " is not " +
                               wanted + " type.");
}

}  // namespace

bool issubdtype(const Dtype& a, const Dtype& b) { return a == b; }

bool issubdtype(const Dtype::Category&, const Dtype&) { return false; }

bool issubdtype(const Dtype& a, const Dtype::Category& b) { return issubdtype(row(a).category, b); }

bool issubdtype(const Dtype::Category& a, const Dtype::Category& b) {
  for (Dtype::Category c = a;; c = parent(c)) {
    if (c == b) return true;
    if (c == generic) return false;
  }
}

Dtype promote_types(const Dtype& t1, const Dtype& t2) {
  return kAllDtypes[static_cast<int>(
      kPromoted[static_cast<int>(t1.val())][static_cast<int>(t2.val())])];
}

Dtype::Kind kindof(const Dtype& t) { return row(t).kind; }

Dtype::Category category_of(const Dtype& t) { return row(t).category; }

const char* dtype_name(const Dtype& t) { return row(t).name; }

std::ostream& operator<<(std::ostream& os, const Dtype& t) { return os << dtype_name(t); }

std::ostream& operator<<(std::ostream& os, const Dtype::Kind& k) {
  constexpr char kLetters[] = {'b', 'u', 'i', 'f', 'c', 'V'};
  return os << kLetters[static_cast<int>(k)];
}

finfo::finfo(Dtype d) : dtype(d == complex64 ? float32 : d), bits(8 * dtype.size()) {
  if (!issubdtype(dtype, floating)) throw wrong_dtype("finfo", d, "an inexact");
  visit(dtype, [this](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (is_floating_point_v<T>) {
      using Limits = std::numeric_limits<T>;
      min = static_cast<double>(Limits::lowest());
      max = static_cast<double>(Limits::max());
      eps = static_cast<double>(Limits::epsilon());
      smallest_normal = static_cast<double>(Limits::min());
    }
  });
}

iinfo::iinfo(Dtype d) : dtype(d) {
  if (!issubdtype(dtype, integer)) throw wrong_dtype("iinfo", d, "an integer");
  visit(dtype, [this](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      min = static_cast<int64_t>(std::numeric_limits<T>::min());
      max = static_cast<uint64_t>(std::numeric_limits<T>::max());
    }
  });
}

}  // namespace tarn
