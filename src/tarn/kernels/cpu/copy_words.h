// The inner loops of a copy, for words of 1, 2, 4 or 8 bytes. For copy.cpp and gather.cpp.
#pragma once

#include <emmintrin.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tarn::cpu {

// Interleaves the low (high) halves of two vectors: a0 b0 a1 b1 …
template <class Word>
__m128i interleave_low(__m128i a, __m128i b) {
  if constexpr (sizeof(Word) == 1) return _mm_unpacklo_epi8(a, b);
  if constexpr (sizeof(Word) == 2) return _mm_unpacklo_epi16(a, b);
  if constexpr (sizeof(Word) == 4) return _mm_unpacklo_epi32(a, b);
  if constexpr (sizeof(Word) == 8) return _mm_unpacklo_epi64(a, b);
}
template <class Word>
__m128i interleave_high(__m128i a, __m128i b) {
  if constexpr (sizeof(Word) == 1) return _mm_unpackhi_epi8(a, b);
  if constexpr (sizeof(Word) == 2) return _mm_unpackhi_epi16(a, b);
  if constexpr (sizeof(Word) == 4) return _mm_unpackhi_epi32(a, b);
  if constexpr (sizeof(Word) == 8) return _mm_unpackhi_epi64(a, b);
}

// Words of a vector, and of a cache line.
template <class Word>
inline constexpr int kLanes = 16 / sizeof(Word);
template <class Word>
inline constexpr int kLineWords = 64 / sizeof(Word);

// Calls f(0), f(1), … f(kN - 1) with constants: vectors in an array stay in registers only if no
// loop is left around them, which the optimiser does not promise.
template <int kN, class F>
void unrolled(F f) {
  [&]<int... kI>(std::integer_sequence<int, kI...>) { (f(std::integral_constant<int, kI>{}), ...); }
  (std::make_integer_sequence<int, kN>{});
}

// Transposes a square of kLanes rows. Interleaving row i with row i + kLanes/2 moves the top bit of
// a row number to the bottom of the lane number; after log2(kLanes) rounds the two have changed
// places.
template <class Word>
void transpose_square(const Word* from, int64_t from_stride, Word* to, int64_t to_stride) {
  constexpr int kN = kLanes<Word>;
  __m128i rows[kN];
  unrolled<kN>([&](auto i) {
    rows[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_stride));
  });
  unrolled<std::countr_zero(unsigned{kN})>([&](auto) {
    __m128i next[kN];
    unrolled<kN / 2>([&](auto i) {
      next[2 * i] = interleave_low<Word>(rows[i], rows[i + kN / 2]);
      next[2 * i + 1] = interleave_high<Word>(rows[i], rows[i + kN / 2]);
    });
    unrolled<kN>([&](auto i) { rows[i] = next[i]; });
  });
  unrolled<kN>(
      [&](auto i) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_stride), rows[i]); });
}

// Copies past the caches, but for the ends of a target that does not begin and end at a cache line.
template <class Word>
void stream_words(const Word* from, Word* to, int64_t n) {
  const int64_t misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % 64);
  const int64_t head = std::min(n, (64 - misaligned) % 64 / int64_t{sizeof(Word)});
  std::memcpy(to, from, head * sizeof(Word));
  int64_t i = head;
  for (; i + kLineWords<Word> <= n; i += kLineWords<Word>) {
    __m128i line[4];
    unrolled<4>(
        [&](auto k) { line[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i) + k); });
    unrolled<4>([&](auto k) { _mm_stream_si128(reinterpret_cast<__m128i*>(to + i) + k, line[k]); });
  }
  std::memcpy(to + i, from + i, (n - i) * sizeof(Word));
}

template <class Word>
void fill_words(Word value, Word* to, int64_t n, bool stream) {
  constexpr int64_t kPiece = 8 * kLineWords<Word>;
  if (!stream || n < 2 * kPiece) {
    Word line[kLineWords<Word>];
    std::fill_n(line, kLineWords<Word>, value);
    int64_t i = 0;
    for (; i + kLineWords<Word> <= n; i += kLineWords<Word>) std::memcpy(to + i, line, 64);
    std::memcpy(to + i, line, (n - i) * sizeof(Word));
    return;
  }
  Word lines[kPiece];
  std::fill_n(lines, kPiece, value);
  // The first piece is short, so that the others begin at cache lines.
  const int64_t misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % 64);
  int64_t piece = kPiece - misaligned / int64_t{sizeof(Word)};
  for (int64_t i = 0; i < n; i += piece, piece = kPiece) {
    stream_words(lines, to + i, std::min(piece, n - i));
  }
}

// transpose_block: element (r, c) is at from[r + c * from_stride] and goes to
// to[r * to_stride + c]. These two do the whole lines of each source column; the rest is done by
// the caller.
//
// One cache line of a source column at a time, because with strides of a power of two the lines
// that a larger tile touches would evict each other before they are used up.
template <class Word>
void transpose_in_cache(const Word* from, int64_t from_stride, Word* to, int64_t to_stride,
                        int64_t rows, int64_t cols) {
  constexpr int kN = kLanes<Word>;
  constexpr int kLine = kLineWords<Word>;
  for (int64_t c = 0; c < cols; c += kLine) {
    const int64_t c_end = std::min(cols, c + kLine);
    for (int64_t r = 0; r < rows; r += kN) {
      for (int64_t j = c; j < c_end; j += kN) {
        transpose_square(from + r + j * from_stride, from_stride, to + r * to_stride + j,
                         to_stride);
      }
    }
  }
}

// Columns of a source that are read side by side. Their lines, often a power of two apart, share
// few sets of the caches: there is room in the second-level one for these and the next where
// columns are 16 KiB apart. Not positive if the size of that is not known.
inline int64_t columns_at_once() {
  static const int64_t columns = sysconf(_SC_LEVEL2_CACHE_SIZE) / (32 << 10);
  return columns;
}

// As above for a target too large for the caches. A streamed store is only fast if the rest of its
// cache line follows at once, so rows are assembled in a buffer.
template <class Word>
void transpose_streaming(const Word* from, int64_t from_stride, Word* to, int64_t to_stride,
                         int64_t rows, int64_t cols) {
  constexpr int kN = kLanes<Word>;
  constexpr int kLine = kLineWords<Word>;
  constexpr int kMaxWidth = 1024 / sizeof(Word);
  constexpr int kBufferStride = kMaxWidth + kLine;  // not a power of two
  alignas(64) Word buffer[kLine * kBufferStride];
  // Memory takes several lines of a row at once sooner than each alone. Where pieces would not be
  // lines of the target, each has two ends that go through the caches: then wider ones.
  const bool on_lines = reinterpret_cast<uintptr_t>(to) % 64 == 0 && to_stride % kLine == 0;
  const int64_t width =
      on_lines ? std::clamp<int64_t>(columns_at_once() / kLine, 1, kMaxWidth / kLine) * kLine
               : kMaxWidth;
  for (int64_t c = 0; c < cols; c += width) {
    const int64_t n = std::min(width, cols - c);
    for (int64_t r = 0; r < rows; r += kLine) {
      const Word* const tile = from + r + c * from_stride;
      for (int64_t j = 0; j < n; j += kN) {
        for (int k = 0; k < kN; ++k) {
          _mm_prefetch(reinterpret_cast<const char*>(tile + (j + k) * from_stride + kLine),
                       _MM_HINT_T1);
        }
        for (int i = 0; i < kLine; i += kN) {
          transpose_square(tile + i + j * from_stride, from_stride, buffer + i * kBufferStride + j,
                           kBufferStride);
        }
      }
      for (int i = 0; i < kLine; ++i) {
        stream_words(buffer + i * kBufferStride, to + (r + i) * to_stride + c, n);
      }
    }
  }
}

template <class Word>
void transpose_block(const Word* from, int64_t from_stride, Word* to, int64_t to_stride,
                     int64_t rows, int64_t cols, bool stream) {
  const int64_t whole_rows = rows / kLineWords<Word> * kLineWords<Word>;
  const int64_t whole_cols = cols / kLanes<Word> * kLanes<Word>;
  const auto transpose_whole = stream ? transpose_streaming<Word> : transpose_in_cache<Word>;
  transpose_whole(from, from_stride, to, to_stride, whole_rows, whole_cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_cols : 0; c < cols; ++c) {
      to[r * to_stride + c] = from[r + c * from_stride];
    }
  }
}

}  // namespace tarn::cpu
