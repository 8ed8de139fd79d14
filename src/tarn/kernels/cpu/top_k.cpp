#include <algorithm>
#include <cassert>
#include <memory>

#include "tarn/kernels/cpu/sort.h"
#include "tarn/kernels/cpu/sort_lines.h"

namespace tarn::cpu {

namespace {

// Collects from each line the keys that may be among the k largest; from time to time, sorts them
// and keeps k, the smallest of which is what others have to exceed.
template <class K>
class TopK {
 public:
  TopK(const View& in, const View& out)
      : in_(in), out_(out), lines_(in), k_(out.shape[out.ndim - 1]) {
    is_selective_ = sizeof(K) > 1 && kSelective * k_ <= lines_.length();
    capacity_ = is_selective_ ? kSelective * k_ + 2 * kLeastRoom : lines_.length();
  }

  void run() const {
    lines_.for_each_in_parallel(in_, [this](BlockReader& reader) {
      return [this, &reader, candidates = Candidates(capacity_)](int64_t number,
                                                                 const Line& line) mutable {
        candidates.clear();
        alignas(64) K keys[BlockReader::kBlock];
        for_each_block(reader, line, 0, line.n, [&](int64_t, const void* x, int64_t n) {
          to_keys(in_.dtype, x, keys, n);
          add(candidates, keys, n);
        });
        candidates.sort();
        sort_kernels().from_keys[int(in_.dtype.val())](candidates.keys.get() + candidates.n - k_,
                                                       out_.as<K>() + number * k_, size_t(k_));
      };
    });
  }

 private:
  // It pays to look at every key if at most one of so many is wanted.
  static constexpr int64_t kSelective = 4;
  // Fewer keys at a time would not be worth a call.
  static constexpr int64_t kLeastRoom = 256;
  static constexpr int64_t kPadding = 64 / sizeof(K);

  struct Candidates {
    explicit Candidates(int64_t capacity)
        : keys(std::make_unique_for_overwrite<K[]>(size_t(capacity + kPadding))) {}

    void clear() {
      n = 0;
      has_least = false;
    }
    void sort() { sort_items(keys.get(), n); }

    std::unique_ptr<K[]> keys;
    int64_t n = 0;
    bool has_least = false;  // the first key is the smallest of the k largest so far
  };

  void add(Candidates& candidates, const K* keys, int64_t n) const {
    for (int64_t i = 0; i < n;) {
      K* const to = candidates.keys.get() + candidates.n;
      const int64_t room = (candidates.has_least ? capacity_ : first_room()) - candidates.n;
      const int64_t count = std::min(room, n - i);
      if (candidates.has_least) {
        if constexpr (sizeof(K) > 1) {
          const K least = candidates.keys[0];
          candidates.n +=
              int64_t(sort_kernels().keep_above[kKeyWidth<K>](keys + i, size_t(count), &least, to));
        }
      } else {
        std::copy_n(keys + i, count, to);
        candidates.n += count;
      }
      i += count;
      const int64_t least_room = candidates.has_least ? kLeastRoom : capacity_ - first_room() + 1;
      if (is_selective_ && capacity_ - candidates.n < least_room) keep_largest(candidates);
    }
  }

  // How many keys are taken before there is one to exceed.
  int64_t first_room() const { return is_selective_ ? kSelective * k_ : capacity_; }

  void keep_largest(Candidates& candidates) const {
    candidates.sort();
    K* const keys = candidates.keys.get();
    std::copy(keys + candidates.n - k_, keys + candidates.n, keys);
    candidates.n = k_;
    candidates.has_least = true;
  }

  const View& in_;
  const View& out_;
  const Lines lines_;
  const int64_t k_;
  bool is_selective_;
  int64_t capacity_;
};

}  // namespace

void top_k(const View& in, const View& out) {
  if (out.size == 0) return;
  assert(in.dtype != complex64);
  switch (in.itemsize()) {
    case 1:
      return TopK<int8_t>(in, out).run();
    case 2:
      return TopK<int16_t>(in, out).run();
    case 4:
      return TopK<int32_t>(in, out).run();
    case 8:
      return TopK<int64_t>(in, out).run();
  }
}

}  // namespace tarn::cpu
