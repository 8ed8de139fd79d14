#include "tarn/kernels/cpu/gather.h"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

#include "tarn/kernels/cpu/copy_words.h"
#include "tarn/kernels/cpu/kernel_table.h"
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

// Calls f(offset, stride, count) for the pieces of rows of the last dimension that the n elements
// from number `begin` on consist of.
template <class F>
void for_each_run(std::span<const int32_t> shape, const int64_t* strides, int64_t begin, int64_t n,
                  F f) {
  const size_t inner = shape.size() - 1;
  const int64_t run = shape[inner];
  const int64_t stride = strides[inner];
  StridedIndex<1> rows(shape.first(inner), {strides});
  rows.seek(begin / run);
  int64_t first = begin % run;
  while (n > 0) {
    const int64_t count = n < run - first ? n : run - first;
    f(rows.offset(0) + first * stride, stride, count);
    n -= count;
    first = 0;
    rows.next();
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
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    Word* target = static_cast<Word*>(to);
    for_each_run(shape, strides, begin, n, [&](int64_t offset, int64_t stride, int64_t count) {
      gather_words(target, static_cast<const Word*>(from) + offset, stride, count);
      target += count;
    });
  });
}

void scatter(void* to, std::span<const int32_t> shape, const int64_t* strides, int64_t begin,
             const void* from, int64_t n, int item_size) {
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    const Word* source = static_cast<const Word*>(from);
    for_each_run(shape, strides, begin, n, [&](int64_t offset, int64_t stride, int64_t count) {
      Word* const target = static_cast<Word*>(to) + offset;
      for (int64_t i = 0; i < count; ++i) target[i * stride] = source[i];
      source += count;
    });
  });
}

void gather_transposed(void* to, int64_t to_stride, const void* from, int64_t from_stride,
                       int64_t rows, int64_t cols, int item_size) {
  with_word(item_size, [&](auto word) {
    using Word = decltype(word);
    constexpr int64_t kAtOnce = kLineWords<Word>;  // as many as the processor can fetch meanwhile
    constexpr int kSecondLevel = 2;                // which has room for two panels
    for (int64_t c = 0; c < cols; c += kAtOnce) {
      const int64_t n = std::min(kAtOnce, cols - c);
      const Word* const piece = static_cast<const Word*>(from) + c * from_stride;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t r = rows; r < 2 * rows; r += kLineWords<Word>) {
          __builtin_prefetch(piece + i * from_stride + r, 0, kSecondLevel);
        }
      }
      transpose_block(piece, from_stride, static_cast<Word*>(to) + c, to_stride, rows, n,
                      /*stream=*/false);
    }
  });
}

void stream_copy(void* to, const void* from, size_t nbytes, const void* next) {
  kernels().stream_copy(to, from, nbytes, &next, next == nullptr ? 0 : 1);
}

void stream_fence() { _mm_sfence(); }

}  // namespace tarn::cpu
