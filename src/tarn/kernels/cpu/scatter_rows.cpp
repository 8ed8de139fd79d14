#include "tarn/kernels/cpu/scatter_rows.h"

#include <xmmintrin.h>

#include <cassert>
#include <cstring>
#include <type_traits>

#include "tarn/base/half.h"
#include "tarn/math/formulas.h"

namespace tarn::cpu {

namespace {

// Rows so short that a call for each would cost more than its elements.
constexpr int64_t kShortRow = 8;
// Updates between asking for the memory of one and using it.
constexpr size_t kAhead = 16;

ElementwiseOp elementwise_of(ScatterMode mode) {
  switch (mode) {
    case ScatterMode::add:
      return ElementwiseOp::add;
    case ScatterMode::prod:
      return ElementwiseOp::multiply;
    case ScatterMode::max:
      return ElementwiseOp::maximum;
    case ScatterMode::min:
      return ElementwiseOp::minimum;
    case ScatterMode::assign:
      break;
  }
  __builtin_unreachable();
}

// The type to combine in. Integers wrap, and bool counts its trues, in 64 bits.
template <ScatterMode kMode, class E>
struct Accumulator {
  static constexpr bool kAdds = kMode == ScatterMode::add || kMode == ScatterMode::prod;
  using Type = std::conditional_t<HalfType<E>, float,
                                  std::conditional_t<kAdds && std::is_integral_v<E>, uint64_t, E>>;
};

template <ScatterMode kMode, class T>
T combine(T x, T y) {
  if constexpr (kMode == ScatterMode::add) return x + y;
  if constexpr (kMode == ScatterMode::prod) return x * y;
  if constexpr (kMode == ScatterMode::max) return math::max(x, y);
  if constexpr (kMode == ScatterMode::min) return math::min(x, y);
}

char* row_at(const RowBlock& block, int64_t itemsize, PlacedUpdate update) {
  return static_cast<char*>(block.to) + (update.offset() + block.first_column) * itemsize;
}
const char* update_at(const RowBlock& block, int64_t itemsize, PlacedUpdate update) {
  return static_cast<const char*>(block.updates) +
         (update.number() * block.row_size + block.first_column) * itemsize;
}

// Calls f(the updates of one row) for each row.
template <class F>
void for_each_row(const RowBlock& block, int64_t itemsize, std::span<const PlacedUpdate> updates,
                  F f) {
  size_t asked = 0;
  for (size_t begin = 0, end = 0; begin < updates.size(); begin = end) {
    const int64_t offset = updates[begin].offset();
    while (end < updates.size() && updates[end].offset() == offset) ++end;
    for (; asked < updates.size() && asked < end + kAhead; ++asked) {
      _mm_prefetch(row_at(block, itemsize, updates[asked]), _MM_HINT_T0);
      _mm_prefetch(update_at(block, itemsize, updates[asked]), _MM_HINT_T0);
    }
    f(updates.subspan(begin, end - begin));
  }
}

template <ScatterMode kMode, class E>
void combine_short_rows(const RowUpdater&, const RowBlock& block,
                        std::span<const PlacedUpdate> updates) {
  using T = typename Accumulator<kMode, E>::Type;
  for_each_row(block, sizeof(E), updates, [&](std::span<const PlacedUpdate> of_row) {
    E* const to = reinterpret_cast<E*>(row_at(block, sizeof(E), of_row[0]));
    for (int64_t c = 0; c < block.n_columns; ++c) {
      T value = static_cast<T>(to[c]);
      for (PlacedUpdate update : of_row) {
        const E* const from = reinterpret_cast<const E*>(update_at(block, sizeof(E), update));
        value = combine<kMode>(value, static_cast<T>(from[c]));
      }
      to[c] = static_cast<E>(value);
    }
  });
}

template <class Word>
void assign_words(const RowUpdater&, const RowBlock& block, std::span<const PlacedUpdate> updates) {
  for_each_row(block, sizeof(Word), updates, [&](std::span<const PlacedUpdate> of_row) {
    std::memcpy(row_at(block, sizeof(Word), of_row[0]),
                update_at(block, sizeof(Word), of_row.back()), sizeof(Word));
  });
}

}  // namespace

RowUpdater::RowUpdater(ScatterMode mode, Dtype dtype, int64_t row_size) : itemsize_(dtype.size()) {
  if (mode == ScatterMode::assign) {
    apply_ = row_size == 1 ? assign_elements(dtype) : assign_long_rows;
  } else if (row_size <= kShortRow) {
    apply_ = combine_short(mode, dtype);
  } else {
    const KernelTable& table = kernels();
    const int op = static_cast<int>(elementwise_of(mode));
    const auto row_of = [](Dtype d) { return static_cast<int>(d.val()); };
    apply_ = combine_long_rows;
    combine_ = table.elementwise[op][row_of(dtype)];
    if ((dtype == float16 || dtype == bfloat16) &&
        (mode == ScatterMode::add || mode == ScatterMode::prod)) {
      combine_wide_ = table.elementwise[op][row_of(float32)];
      widen_ = table.cast[row_of(dtype)][row_of(float32)];
      narrow_ = table.cast[row_of(float32)][row_of(dtype)];
    }
  }
}

RowUpdater::Apply RowUpdater::assign_elements(Dtype dtype) {
  switch (dtype.size()) {
    case 1:
      return assign_words<uint8_t>;
    case 2:
      return assign_words<uint16_t>;
    case 4:
      return assign_words<uint32_t>;
    default:
      return assign_words<uint64_t>;
  }
}

RowUpdater::Apply RowUpdater::combine_short(ScatterMode mode, Dtype dtype) {
  return visit(dtype, [&](auto tag) -> Apply {
    using E = typename decltype(tag)::type;
    switch (mode) {
      case ScatterMode::add:
        return combine_short_rows<ScatterMode::add, E>;
      case ScatterMode::prod:
        return combine_short_rows<ScatterMode::prod, E>;
      case ScatterMode::max:
        return combine_short_rows<ScatterMode::max, E>;
      case ScatterMode::min:
        return combine_short_rows<ScatterMode::min, E>;
      case ScatterMode::assign:
        break;
    }
    __builtin_unreachable();
  });
}

void RowUpdater::assign_long_rows(const RowUpdater& self, const RowBlock& block,
                                  std::span<const PlacedUpdate> updates) {
  const int64_t itemsize = self.itemsize_;
  for_each_row(block, itemsize, updates, [&](std::span<const PlacedUpdate> of_row) {
    std::memcpy(row_at(block, itemsize, of_row[0]), update_at(block, itemsize, of_row.back()),
                static_cast<size_t>(block.n_columns * itemsize));
  });
}

void RowUpdater::combine_long_rows(const RowUpdater& self, const RowBlock& block,
                                   std::span<const PlacedUpdate> updates) {
  assert(block.n_columns <= kMaxColumns);
  for_each_row(block, self.itemsize_, updates, [&](std::span<const PlacedUpdate> of_row) {
    char* const to = row_at(block, self.itemsize_, of_row[0]);
    // A single update is rounded once either way.
    if (self.combine_wide_ && of_row.size() > 1) {
      self.combine_wide(to, block, of_row);
      return;
    }
    for (PlacedUpdate update : of_row) {
      self.combine_(to, to, update_at(block, self.itemsize_, update), nullptr,
                    static_cast<size_t>(block.n_columns));
    }
  });
}

void RowUpdater::combine_wide(char* to, const RowBlock& block,
                              std::span<const PlacedUpdate> updates) const {
  const size_t n = static_cast<size_t>(block.n_columns);
  float sum[kMaxColumns];
  float update_values[kMaxColumns];
  widen_(sum, to, nullptr, nullptr, n);
  for (PlacedUpdate update : updates) {
    widen_(update_values, update_at(block, itemsize_, update), nullptr, nullptr, n);
    combine_wide_(sum, sum, update_values, nullptr, n);
  }
  narrow_(to, sum, nullptr, nullptr, n);
}

}  // namespace tarn::cpu
