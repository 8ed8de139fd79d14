#include "tarn/kernels/cpu/masked_scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "tarn/base/failure.h"
#include "tarn/base/shape.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

// Elements of `to` that are written together.
constexpr int64_t kBlock = 32 << 10;

int64_t count_true(const bool* mask, int64_t n) { return std::count(mask, mask + n, true); }

// Elements of the mask in groups; of each, how many of those before it are true.
class CountedMask {
 public:
  CountedMask(const View& mask, int64_t group)
      : values_(mask.as<const bool>()),
        size_(mask.size),
        group_(group),
        n_before_(static_cast<size_t>((size_ + group - 1) / group + 1)) {
    parallel_ranges(n_groups(), 1, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        n_before_[r.begin + 1] = count_true(values(r.begin), size(r.begin));
      }
    });
    for (size_t i = 1; i < n_before_.size(); ++i) n_before_[i] += n_before_[i - 1];
  }

  int64_t n_groups() const { return static_cast<int64_t>(n_before_.size()) - 1; }
  int64_t n_true() const { return n_before_.back(); }
  int64_t n_before(int64_t group) const { return n_before_[group]; }
  const bool* values(int64_t group) const { return values_ + group * group_; }
  int64_t size(int64_t group) const { return std::min(group_, size_ - group * group_); }

 private:
  const bool* const values_;
  const int64_t size_;
  const int64_t group_;
  std::vector<int64_t> n_before_;
};

// Replaces the elements where the mask holds.
template <class Word>
void replace(Word* to, const bool* mask, int64_t n, const Word* source) {
  for (int64_t i = 0; i < n; ++i) {
    // A choice of addresses: nothing behind the last element of the source is read, and no branch
    // is guessed wrong.
    const Word* const from = mask[i] ? source : to + i;
    to[i] = *from;
    source += mask[i];
  }
}

void replace_elements(char* to, const bool* mask, int64_t n, const char* source, int64_t itemsize) {
  const auto replace_words = [&]<class Word>(Word) {
    replace(reinterpret_cast<Word*>(to), mask, n, reinterpret_cast<const Word*>(source));
  };
  switch (itemsize) {
    case 1:
      return replace_words(uint8_t{});
    case 2:
      return replace_words(uint16_t{});
    case 4:
      return replace_words(uint32_t{});
    default:
      return replace_words(uint64_t{});
  }
}

void replace_rows(char* to, const bool* mask, int64_t n, const char* source, int64_t row_nbytes) {
  for (int64_t i = 0; i < n; ++i, to += row_nbytes) {
    if (!mask[i]) continue;
    std::memcpy(to, source, static_cast<size_t>(row_nbytes));
    source += row_nbytes;
  }
}

}  // namespace

void masked_scatter(const View& a, const View& mask, const View& source, const View& to) {
  assert(is_row_contiguous(mask) && is_row_contiguous(source) && is_row_contiguous(to));
  if (to.size == 0) return;
  const int64_t row = to.size / mask.size;
  const int64_t row_nbytes = row * to.itemsize();
  const int64_t group = std::max<int64_t>(1, kBlock / row);
  const CountedMask counted(mask, group);
  const int64_t n_rows = source.shape[0];
  if (counted.n_true() > n_rows) {
    throw OperationError(
        FailureKind::index,
        fmt::format("[masked_scatter] index {} is out of bounds for axis 0 of the source with size "
                    "{}: the mask has {} true elements",
                    n_rows, n_rows, counted.n_true()));
  }

  const bool is_in_place = to.data == a.data;
  if (!is_in_place) copy(a, to);
  parallel_ranges(counted.n_groups(), 1, [&](RangeQueue& queue) {
    for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
      const int64_t g = r.begin;
      if (counted.n_before(g) == counted.n_before(g + 1)) continue;
      char* const part = to.as<char>() + g * group * row_nbytes;
      const char* const from = source.as<const char>() + counted.n_before(g) * row_nbytes;
      if (row == 1) {
        replace_elements(part, counted.values(g), counted.size(g), from, to.itemsize());
      } else {
        replace_rows(part, counted.values(g), counted.size(g), from, row_nbytes);
      }
    }
  });
}

}  // namespace tarn::cpu
