#include "tarn/kernels/cpu/sort.h"

#include <hwy/base.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "tarn/base/complex.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/line_split.h"
#include "tarn/kernels/cpu/sort_lines.h"

TARN_DECLARE_ISA_FUNCTION(add_sort_kernels, SortKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kBlock = BlockReader::kBlock;

// Sorts lines as keys in the memory of the output.
template <class K>
class KeySort {
 public:
  KeySort(const View& in, const View& out) : in_(in), out_(out), lines_(in) {
    const bool is_float = kindof(in.dtype) == Dtype::Kind::f || in.dtype == bfloat16;
    if (!is_float) return;
    // Keys of zeros follow each other.
    const K zero = 0;
    sort_kernels().to_keys[int(in.dtype.val())](&zero, &zero_key_, 1);
    has_zeros_of_two_kinds_ = true;
  }

  void run() {
    if (sizeof(K) > 1 && lines_.are_for_all_threads()) {
      lines_.for_each({0, lines_.count()}, [this](int64_t i, const Line& line) {
        if constexpr (sizeof(K) > 1) sort_long(line, out_.as<K>() + i * line.n);
      });
      return;
    }
    lines_.for_each_in_parallel(in_, [this](BlockReader& reader) {
      return [this, &reader](int64_t i, const Line& line) {
        K* const keys = out_.as<K>() + i * line.n;
        for_each_block(reader, line, 0, line.n, [&](int64_t first, const void* x, int64_t n) {
          to_keys(in_.dtype, x, keys + first, n);
        });
        sort_items(keys, line.n);
        if (has_zeros_of_two_kinds_) order_zeros(reader, line, keys);
        from_keys(keys, line.n);
      };
    });
  }

 private:
  void sort_long(const Line& line, K* keys) const {
    LineSplit<K> split(in_, line, to_keys<K>);
    split.distribute(keys, [](K key, int64_t) { return key; });
    const auto& buckets = split.buckets();
    const auto for_each_bucket = [&](auto f) {
      parallel_ranges(int64_t(buckets.size()), 1, [&](RangeQueue& queue) {
        for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
          f(buckets[size_t(range.begin)]);
        }
      });
    };
    for_each_bucket([&](const auto& bucket) {
      if (!bucket.has_one_key) sort_items(keys + bucket.begin, bucket.end - bucket.begin);
    });
    if (has_zeros_of_two_kinds_) {
      BlockReader reader(in_, in_.dtype.val());
      order_zeros(reader, line, keys);
    }
    for_each_bucket(
        [&](const auto& bucket) { from_keys(keys + bucket.begin, bucket.end - bucket.begin); });
  }

  void from_keys(K* keys, int64_t n) const {
    sort_kernels().from_keys[int(in_.dtype.val())](keys, keys, size_t(n));
  }

  // -0 equals +0: puts the zeros among sorted keys into the order of the line.
  void order_zeros(BlockReader& reader, const Line& line, K* keys) const {
    const K negative = K(zero_key_ - 1);
    K* const end = std::upper_bound(keys, keys + line.n, zero_key_);
    K* next = std::lower_bound(keys, end, negative);
    if (next == end || *next != negative || end[-1] != zero_key_) return;
    for_each_block(reader, line, 0, line.n, [&](int64_t, const void* x, int64_t n) {
      const K* bits = static_cast<const K*>(x);
      for (int64_t i = 0; i < n; ++i) {
        if (bits[i] == 0) *next++ = zero_key_;
        if (bits[i] == std::numeric_limits<K>::min()) *next++ = negative;
      }
    });
  }

  const View& in_;
  const View& out_;
  const Lines lines_;
  bool has_zeros_of_two_kinds_ = false;
  K zero_key_ = 0;
};

// What ranks are: see Note [Sort keys].
template <class K>
void to_ranks(Dtype dtype, const void* x, K* ranks, int64_t n) {
  sort_kernels().to_ranks[int(dtype.val())](x, ranks, size_t(n));
}
void bytes_to_ranks(Dtype dtype, const void* x, int16_t* ranks, int64_t n) {
  int8_t narrow[kBlock];
  to_ranks(dtype, x, narrow, n);
  std::copy_n(narrow, n, ranks);
}
// By real parts, then by imaginary ones.
void complex_to_ranks(Dtype, const void* x, int64_t* ranks, int64_t n) {
  constexpr int32_t kNan = std::numeric_limits<int32_t>::max();
  int32_t parts[2 * kBlock];
  to_ranks(float32, x, parts, 2 * n);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t real = parts[2 * i], imag = parts[2 * i + 1];
    const auto low = uint32_t(imag) ^ (uint32_t{1} << 31);
    ranks[i] = real == kNan || imag == kNan ? std::numeric_limits<int64_t>::max()
                                            : int64_t(uint64_t(uint32_t(real)) << 32 | low);
  }
}

// A rank and, as no two elements are the same then, the number of the element.
template <class K>
struct RankedItem {
  using Type = int64_t;
  static Type make(K rank, int64_t i) { return int64_t{rank} * (int64_t{1} << 32) + i; }
  static uint32_t number(Type item) { return uint32_t(item); }
};
template <>
struct RankedItem<int64_t> {
  using Type = hwy::uint128_t;
  static Type make(int64_t rank, int64_t i) {
    return {uint64_t(i), uint64_t(rank) ^ (uint64_t{1} << 63)};
  }
  static uint32_t number(const Type& item) { return uint32_t(item.lo); }
};

// Finds the order of lines; emit(line, its number, first, last item, their place in the order)
// writes what is wanted of it.
template <class K, class Emit>
class RankSort {
 public:
  using Item = typename RankedItem<K>::Type;
  using ToRanks = typename LineSplit<K>::ToKeys;

  RankSort(const View& in, ToRanks to_ranks, void* scratch, Emit emit)
      : in_(in),
        lines_(in),
        to_ranks_(to_ranks),
        scratch_(static_cast<Item*>(scratch)),
        emit_(emit) {}

  void run() const {
    if (lines_.are_for_all_threads()) {
      lines_.for_each({0, lines_.count()},
                      [this](int64_t i, const Line& line) { sort_long(line, i); });
      return;
    }
    lines_.for_each_in_parallel(in_, [this](BlockReader& reader) {
      return
          [this, &reader, items = std::make_unique_for_overwrite<Item[]>(size_t(lines_.length()))](
              int64_t number, const Line& line) {
            K ranks[kBlock];
            for_each_block(reader, line, 0, line.n, [&](int64_t first, const void* x, int64_t n) {
              to_ranks_(in_.dtype, x, ranks, n);
              for (int64_t i = 0; i < n; ++i) {
                items[size_t(first + i)] = RankedItem<K>::make(ranks[i], first + i);
              }
            });
            sort_items(items.get(), line.n);
            emit_(line, number, items.get(), line.n, 0);
          };
    });
  }

 private:
  void sort_long(const Line& line, int64_t number) const {
    LineSplit<K> split(in_, line, to_ranks_);
    split.distribute(scratch_, RankedItem<K>::make);
    const auto& buckets = split.buckets();
    parallel_ranges(int64_t(buckets.size()), 1, [&](RangeQueue& queue) {
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        const auto& bucket = buckets[size_t(range.begin)];
        Item* const items = scratch_ + bucket.begin;
        const int64_t n = bucket.end - bucket.begin;
        if (!bucket.has_one_key) sort_items(items, n);
        emit_(line, number, items, n, bucket.begin);
      }
    });
  }

  const View& in_;
  const Lines lines_;
  const ToRanks to_ranks_;
  Item* const scratch_;
  const Emit emit_;
};

template <class K, class Emit>
void rank_sort(const View& in, typename LineSplit<K>::ToKeys to_ranks, void* scratch, Emit emit) {
  RankSort<K, Emit>(in, to_ranks, scratch, emit).run();
}

SortKernels make_kernels(const char* isa) {
  SortKernels kernels{};
  TARN_CALL_ISA_FUNCTION(isa, add_sort_kernels, kernels);
  return kernels;
}

}  // namespace

const SortKernels& sort_kernels() {
  static const SortKernels chosen = make_kernels(kernels().isa);
  return chosen;
}

std::span<const SortKernels> runnable_sort_kernels() {
  static const std::vector<SortKernels> runnable = [] {
    std::vector<SortKernels> tables;
    for (const KernelTable* table : runnable_kernels()) tables.push_back(make_kernels(table->isa));
    return tables;
  }();
  return runnable;
}

int64_t argsort_scratch_bytes(const View& in) {
  if (in.size == 0) return 0;
  const Lines lines(in);
  if (!lines.are_for_all_threads()) return 0;
  return lines.length() * int64_t(in.itemsize() == 8 ? sizeof(hwy::uint128_t) : sizeof(int64_t));
}

int64_t sort_scratch_bytes(const View& in) {
  return in.dtype == complex64 ? argsort_scratch_bytes(in) : 0;
}

void sort(const View& in, const View& out, void* scratch) {
  if (in.size == 0) return;
  switch (in.itemsize()) {
    case 1:
      return KeySort<int8_t>(in, out).run();
    case 2:
      return KeySort<int16_t>(in, out).run();
    case 4:
      return KeySort<int32_t>(in, out).run();
  }
  if (in.dtype != complex64) return KeySort<int64_t>(in, out).run();
  // Equal numbers may differ in the signs of their zeros: sorted by themselves, they would lose
  // them.
  rank_sort<int64_t>(
      in, complex_to_ranks, scratch,
      [&](const Line& line, int64_t number, const auto* items, int64_t n, int64_t place) {
        const auto* x = in.as<const complex64_t>() + line.offset;
        auto* to = out.as<complex64_t>() + number * line.n + place;
        for (int64_t i = 0; i < n; ++i) to[i] = x[items[i].lo * line.stride];
      });
}

void argsort(const View& in, const View& out, void* scratch) {
  if (in.size == 0) return;
  const auto run = [&]<class K>(void (*ranks)(Dtype, const void*, K*, int64_t)) {
    rank_sort<K>(
        in, ranks, scratch,
        [&](const Line& line, int64_t number, const auto* items, int64_t n, int64_t place) {
          uint32_t* to = out.as<uint32_t>() + number * line.n + place;
          for (int64_t i = 0; i < n; ++i) to[i] = RankedItem<K>::number(items[i]);
        });
  };
  switch (in.itemsize()) {
    case 1:
      return run(bytes_to_ranks);
    case 2:
      return run(to_ranks<int16_t>);
    case 4:
      return run(to_ranks<int32_t>);
  }
  run(in.dtype == complex64 ? complex_to_ranks : to_ranks<int64_t>);
}

}  // namespace tarn::cpu
