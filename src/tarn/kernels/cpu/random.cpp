#include "tarn/kernels/cpu/random.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/random_kernels.h"
#include "tarn/kernels/cpu/strided_index.h"

TARN_DECLARE_ISA_FUNCTION(add_random_kernels, RandomKernels)

namespace tarn::cpu {

namespace {

using math::ThreefryKey;

constexpr int64_t kWordBytes = 4;
constexpr int64_t kPairsPerTask = 8 << 10;

// How the bytes that one key fills are made of pairs of words. See Note [Random bits].
class WordPairs {
 public:
  WordPairs(int64_t nbytes, const UniformNumbers* numbers)
      : nbytes_(nbytes),
        n_words_((nbytes + kWordBytes - 1) / kWordBytes),
        n_pairs_(n_words_ / 2),
        distance_(n_words_ - n_pairs_),
        numbers_(numbers) {}

  int64_t size() const { return n_pairs_; }

  void write(const ThreefryKey& key, int64_t begin, int64_t end, unsigned char* to) const {
    const bool is_cut = end == n_pairs_ && begin < end && nbytes_ % kWordBytes != 0;
    const int64_t n_whole = end - begin - (is_cut ? 1 : 0);
    draw_words_(key, uint32_t(begin), uint32_t(distance_), numbers_, to + begin * kWordBytes,
                to + (begin + distance_) * kWordBytes, size_t(n_whole));
    if (is_cut) {
      const Pair last = draw_pair(key, uint32_t(end - 1), uint32_t(distance_));
      write_word(last.x, end - 1, to);
      write_word(last.y, end - 1 + distance_, to);
    }
  }

  // The word without a partner, if there is one.
  void write_middle(const ThreefryKey& key, unsigned char* to) const {
    if (distance_ == n_pairs_) return;
    const auto counter = uint32_t(n_pairs_);
    write_word(draw_pair(key, counter, 0 - counter).x, n_pairs_, to);
  }

 private:
  struct Pair {
    uint32_t x, y;
  };
  Pair draw_pair(const ThreefryKey& key, uint32_t counter, uint32_t distance) const {
    Pair pair;
    draw_words_(key, counter, distance, numbers_, &pair.x, &pair.y, 1);
    return pair;
  }

  void write_word(uint32_t word, int64_t index, unsigned char* to) const {
    const int64_t begin = index * kWordBytes;
    std::memcpy(to + begin, &word, size_t(std::min(kWordBytes, nbytes_ - begin)));
  }

  static DrawWords chosen_draw_words() {
    static const RandomKernels chosen = random_kernels(kernels().isa);
    return chosen.draw_words;
  }

  int64_t nbytes_;
  int64_t n_words_;
  int64_t n_pairs_;
  int64_t distance_;  // from the first word of a pair to the second
  const UniformNumbers* numbers_;
  DrawWords draw_words_ = chosen_draw_words();
};

void draw(const View& keys, const UniformNumbers* numbers, const View& out) {
  assert(is_row_contiguous(out) && keys.shape[keys.ndim - 1] == 2);
  if (out.size == 0) return;
  const int64_t n_keys = keys.size / 2;
  const int64_t nbytes = out.nbytes() / n_keys;
  const WordPairs pairs(nbytes, numbers);
  const int64_t tasks_per_key =
      std::max<int64_t>(1, (pairs.size() + kPairsPerTask - 1) / kPairsPerTask);
  const int64_t grain = std::max<int64_t>(1, kPairsPerTask / (pairs.size() + 1));
  const size_t n_batch_axes = size_t(keys.ndim - 1);
  const int64_t word_stride = keys.strides[n_batch_axes];
  parallel_ranges(n_keys * tasks_per_key, grain, [&](RangeQueue& queue) {
    StridedIndex<1> index({keys.shape, n_batch_axes}, {keys.strides});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t task = range.begin; task < range.end; ++task) {
        index.seek(task / tasks_per_key);
        const uint32_t* const words = keys.as<uint32_t>() + index.offset(0);
        const ThreefryKey key{{words[0], words[word_stride]}};
        unsigned char* const to = out.as<unsigned char>() + task / tasks_per_key * nbytes;
        const int64_t begin = task % tasks_per_key * kPairsPerTask;
        if (begin == 0) pairs.write_middle(key, to);
        pairs.write(key, begin, std::min(pairs.size(), begin + kPairsPerTask), to);
      }
    }
  });
}

}  // namespace

RandomKernels random_kernels(const char* isa) {
  RandomKernels made{};
  TARN_CALL_ISA_FUNCTION(isa, add_random_kernels, made);
  return made;
}

void random_bits(const View& keys, const View& out) { draw(keys, nullptr, out); }

void random_uniform(const ops::RandomUniform& op, const View& keys, const View& range,
                    const View& low, const View& out) {
  const UniformNumbers numbers{op.least, op.most, *range.as<float>(), *low.as<float>()};
  draw(keys, &numbers, out);
}

}  // namespace tarn::cpu
