#include "tarn/kernels/cpu/gather.h"

#include <emmintrin.h>

#include <cstring>

#include "tarn/kernels/cpu/copy_words.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

// Calls f(Word{}) with the unsigned integer of the element's size.
template <class F>
void with_word(int item_size, F f) {
  switch (item_size) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

template <class Word>
void gather_words(Word* to, const Word* from, int64_t stride, int64_t n) {
  if (stride == 1) {
    std::memcpy(to, from, n * sizeof(Word));
  } else if (stride == 0) {
    fill_words(*from, to, n, /*stream=*/false);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

}  // namespace

void fill(void* to, const void* element, int64_t n, int item_size) {
  gather_run(to, element, 0, n, item_size);
}

void gather_run(void* to, const void* from, int64_t stride, int64_t n, int item_size) {
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    gather_words(static_cast<Word*>(to), static_cast<const Word*>(from), stride, n);
  });
}

void gather(void* to, const void* from, std::span<const int32_t> shape, const int64_t* strides,
            int64_t begin, int64_t n, int item_size) {
  const size_t inner = shape.size() - 1;
  const int64_t run = shape[inner];
  StridedIndex<1> rows(shape.first(inner), {strides});
  rows.seek(begin / run);
  int64_t first = begin % run;
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    Word* target = static_cast<Word*>(to);
    while (n > 0) {
      const int64_t count = n < run - first ? n : run - first;
      const Word* source = static_cast<const Word*>(from) + rows.offset(0) + first * strides[inner];
      gather_words(target, source, strides[inner], count);
      target += count;
      n -= count;
      first = 0;
      rows.next();
    }
  });
}

void gather_transposed(void* to, const void* from, int64_t stride, int64_t rows, int64_t cols,
                       int item_size) {
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    transpose_block(static_cast<const Word*>(from), stride, static_cast<Word*>(to), cols, rows,
                    cols,
                    /*stream=*/false);
  });
}

void stream_copy(void* to, const void* from, size_t nbytes) {
  stream_words(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), int64_t(nbytes));
}

void stream_fence() { _mm_sfence(); }

}  // namespace tarn::cpu
