// Fourier transforms of as many sequences as a pack has lanes: no loop shuffles but those that
// bring the sequences into lanes and back.
#include <hwy/cache_control.h>

#include <algorithm>
#include <utility>

#include "tarn/kernels/cpu/fft_kernels.h"
#include "tarn/kernels/cpu/isa/element.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::FftPass;
using Floats = Pack<float>;
using D = Floats::D;
inline constexpr size_t kLanes = Floats::kLanes;
inline constexpr size_t kElement = 2 * kLanes;  // floats of an element

struct Complex {
  Floats re;
  Floats im;
};

TARN_FN Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
TARN_FN Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
TARN_FN Complex operator*(Complex a, Complex b) {
  return {hn::MulSub(a.re.v, b.re.v, (a.im * b.im).v), hn::MulAdd(a.re.v, b.im.v, (a.im * b.re).v)};
}
TARN_FN Complex operator*(Complex a, Floats b) { return {a.re * b, a.im * b}; }
// -i a
TARN_FN Complex turned(Complex a) { return {a.im, -a.re}; }

// Where the two parts of an element are: exchanging them inverts a transform.
struct Parts {
  size_t re;
  size_t im;

  TARN_FN Complex load(const float* element) const {
    return {HWY_NAMESPACE::load(element + re), HWY_NAMESPACE::load(element + im)};
  }
  TARN_FN void store(float* element, Complex x) const {
    HWY_NAMESPACE::store(element + re, x.re);
    HWY_NAMESPACE::store(element + im, x.im);
  }
};

TARN_FN Complex load_root(const float* root) { return {Floats(root[0]), Floats(root[1])}; }

TARN_FN void butterfly_4(Complex& a0, Complex& a1, Complex& a2, Complex& a3) {
  const Complex even_sum = a0 + a2, even_difference = a0 - a2;
  const Complex odd_sum = a1 + a3, odd_difference = turned(a1 - a3);
  a0 = even_sum + odd_sum;
  a1 = even_difference + odd_difference;
  a2 = even_sum - odd_sum;
  a3 = even_difference - odd_difference;
}

// Transforms of kRadix elements, in place.
template <int kRadix>
TARN_FN void butterfly(Complex (&a)[kRadix], const float* roots) {
  if constexpr (kRadix == 2) {
    const Complex difference = a[0] - a[1];
    a[0] = a[0] + a[1];
    a[1] = difference;
  } else if constexpr (kRadix == 4) {
    butterfly_4(a[0], a[1], a[2], a[3]);
  } else if constexpr (kRadix == 8) {
    butterfly_4(a[0], a[2], a[4], a[6]);
    butterfly_4(a[1], a[3], a[5], a[7]);
    const Floats root(0.70710678118654752f);
    const Complex odd[4] = {a[1], (a[3] + turned(a[3])) * root, turned(a[5]),
                            (turned(a[7]) - a[7]) * root};
    const Complex even[4] = {a[0], a[2], a[4], a[6]};
    unrolled<4>([&](auto k) {
      a[k] = even[k] + odd[k];
      a[k + 4] = even[k] - odd[k];
    });
  } else {
    constexpr size_t kHalf = kRadix / 2;
    Complex sum[kHalf], difference[kHalf];
    const Complex first = a[0];
    unrolled<kHalf>([&](auto j) {
      sum[j] = a[j + 1] + a[kRadix - 1 - j];
      difference[j] = a[j + 1] - a[kRadix - 1 - j];
      a[0] = a[0] + sum[j];
    });
    unrolled<kHalf>([&](auto k) {
      Complex even = first, odd{Floats(0), Floats(0)};
      unrolled<kHalf>([&](auto j) {
        constexpr size_t kRoot = (k + 1) * (j + 1) % kRadix;
        const Floats cosine(roots[kRoot]), sine(roots[kRadix + kRoot]);
        even = {fma(sum[j].re, cosine, even.re), fma(sum[j].im, cosine, even.im)};
        odd = {fma(difference[j].re, sine, odd.re), fma(difference[j].im, sine, odd.im)};
      });
      a[k + 1] = even + turned(odd);
      a[kRadix - 1 - k] = even - turned(odd);
    });
  }
}

// The butterflies of a pass that are done: n of each block. `from` and `to` say where their
// elements are, counted in elements: `step` is from one to the next of a butterfly.
struct Butterflies {
  struct Places {
    int64_t per_block;
    int64_t per_butterfly;
    int64_t step;
  };
  int64_t n_blocks;
  int64_t n;
  Places from;
  Places to;
};

// kTurns: results are multiplied by twiddles.
template <int kRadix, bool kTurns>
TARN_FN void run_block(const FftPass& pass, Parts parts, const Butterflies& which, int64_t p,
                       const float* from, float* to) {
  constexpr auto kFloats = int64_t(kElement);
  const int64_t from_step = which.from.step * kFloats, to_step = which.to.step * kFloats;
  const float* const twiddles = pass.twiddles + p * 2 * (kRadix - 1);
  for (int64_t i = 0; i < which.n; ++i) {
    Complex a[kRadix];
    unrolled<kRadix>([&](auto k) { a[k] = parts.load(from + int64_t(k) * from_step); });
    butterfly<kRadix>(a, pass.roots);
    parts.store(to, a[0]);
    unrolled<kRadix - 1>([&](auto k) {
      const Complex x = kTurns ? a[k + 1] * load_root(twiddles + 2 * k) : a[k + 1];
      parts.store(to + int64_t(k + 1) * to_step, x);
    });
    from += which.from.per_butterfly * kFloats;
    to += which.to.per_butterfly * kFloats;
  }
}

template <int kRadix>
void run_blocks(const FftPass& pass, Parts parts, const Butterflies& which, const float* from,
                float* to) {
  const int64_t from_block = which.from.per_block * int64_t(kElement);
  const int64_t to_block = which.to.per_block * int64_t(kElement);
  run_block<kRadix, false>(pass, parts, which, 0, from, to);
  for (int64_t p = 1; p < which.n_blocks; ++p) {
    run_block<kRadix, true>(pass, parts, which, p, from + p * from_block, to + p * to_block);
  }
}

void run(const FftPass& pass, Parts parts, const Butterflies& which, const float* from, float* to) {
  switch (pass.radix) {
    case 2:
      return run_blocks<2>(pass, parts, which, from, to);
    case 3:
      return run_blocks<3>(pass, parts, which, from, to);
    case 4:
      return run_blocks<4>(pass, parts, which, from, to);
    case 5:
      return run_blocks<5>(pass, parts, which, from, to);
    case 7:
      return run_blocks<7>(pass, parts, which, from, to);
    case 8:
      return run_blocks<8>(pass, parts, which, from, to);
    case 11:
      return run_blocks<11>(pass, parts, which, from, to);
    case 13:
      return run_blocks<13>(pass, parts, which, from, to);
  }
}

void run_pass(const FftPass& pass, Parts parts, const float* x, float* y) {
  const int64_t stride = pass.stride;
  run(pass, parts,
      {pass.n_blocks,
       stride,
       {stride, 1, stride * pass.n_blocks},
       {stride * pass.radix, 1, stride}},
      x, y);
}

// The last two passes, of one of the interleaved transforms after the other: so what is between the
// passes stays in the first-level cache.
void run_last_passes(const FftPass& first, const FftPass& last, Parts parts, const float* x,
                     float* y) {
  alignas(HWY_MAX_BYTES) float between[13 * 13 * kElement];
  const int64_t stride = first.stride;
  const Butterflies of_first{
      first.n_blocks, 1, {stride, 0, stride * first.n_blocks}, {first.radix, 0, 1}};
  const Butterflies of_last{1, first.radix, {0, 1, first.radix}, {0, stride, last.stride}};
  for (int64_t i = 0; i < stride; ++i) {
    run(first, parts, of_first, x + i * int64_t(kElement), between);
    run(last, parts, of_last, between, y + i * int64_t(kElement));
  }
}

float* transform(std::span<const FftPass> passes, bool is_inverse, float* x, float* y) {
  const Parts parts = is_inverse ? Parts{kLanes, 0} : Parts{0, kLanes};
  const bool has_last_two = passes.size() > 2;  // of two alone the first has but one transform
  for (const FftPass& pass : passes.first(passes.size() - (has_last_two ? 2 : 0))) {
    run_pass(pass, parts, x, y);
    std::swap(x, y);
  }
  if (!has_last_two) return x;
  run_last_passes(passes[passes.size() - 2], passes.back(), parts, x, y);
  return y;
}

// The 4 x 4 matrices in the 128-bit blocks of four packs, transposed.
TARN_FN void transpose_in_blocks(hn::Vec<D>& a, hn::Vec<D>& b, hn::Vec<D>& c, hn::Vec<D>& e) {
  const D d;
  const hn::RepartitionToWide<D> wide;
  const auto pairs = [&](auto x) { return hn::BitCast(wide, x); };
  const auto low_ab = hn::InterleaveLower(d, a, b), low_ce = hn::InterleaveLower(d, c, e);
  const auto high_ab = hn::InterleaveUpper(d, a, b), high_ce = hn::InterleaveUpper(d, c, e);
  a = hn::BitCast(d, hn::InterleaveLower(wide, pairs(low_ab), pairs(low_ce)));
  b = hn::BitCast(d, hn::InterleaveUpper(wide, pairs(low_ab), pairs(low_ce)));
  c = hn::BitCast(d, hn::InterleaveLower(wide, pairs(high_ab), pairs(high_ce)));
  e = hn::BitCast(d, hn::InterleaveUpper(wide, pairs(high_ab), pairs(high_ce)));
}

// Packs c, c + 4, … have the blocks of rows c, c + 4, …: block b of pack 4g + c is part g of row
// 4b + c.
template <size_t c>
TARN_FN void exchange_blocks(hn::Vec<D> (&rows)[kLanes]) {
  const D d;
  if constexpr (kLanes == 8) {
    const auto first = rows[c], second = rows[c + 4];
    rows[c] = hn::ConcatLowerLower(d, second, first);
    rows[c + 4] = hn::ConcatUpperUpper(d, second, first);
  } else {
    const auto even_low = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(rows[c + 4]), rows[c]);
    const auto odd_low = hn::OddEvenBlocks(rows[c + 4], hn::SwapAdjacentBlocks(rows[c]));
    const auto even_high = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(rows[c + 12]), rows[c + 8]);
    const auto odd_high = hn::OddEvenBlocks(rows[c + 12], hn::SwapAdjacentBlocks(rows[c + 8]));
    rows[c] = hn::ConcatLowerLower(d, even_high, even_low);
    rows[c + 4] = hn::ConcatLowerLower(d, odd_high, odd_low);
    rows[c + 8] = hn::ConcatUpperUpper(d, even_high, even_low);
    rows[c + 12] = hn::ConcatUpperUpper(d, odd_high, odd_low);
  }
}

// As many packs as there are lanes, as a matrix. Spelled out: lambdas of this size are not inlined,
// and the packs would go through memory.
TARN_FN void transpose(hn::Vec<D> (&rows)[kLanes]) {
  static_assert(kLanes == 8 || kLanes == 16);
  transpose_in_blocks(rows[0], rows[1], rows[2], rows[3]);
  transpose_in_blocks(rows[4], rows[5], rows[6], rows[7]);
  if constexpr (kLanes == 16) {
    transpose_in_blocks(rows[8], rows[9], rows[10], rows[11]);
    transpose_in_blocks(rows[12], rows[13], rows[14], rows[15]);
  }
  exchange_blocks<0>(rows);
  exchange_blocks<1>(rows);
  exchange_blocks<2>(rows);
  exchange_blocks<3>(rows);
}

void load_rows(const float* rows, int64_t row_stride, int64_t n, float* to) {
  const D d;
  int64_t i = 0;
  for (; i + int64_t(kLanes) <= n; i += kLanes) {
    hn::Vec<D> tile[kLanes];
    unrolled<kLanes>([&](auto r) { tile[r] = hn::LoadU(d, rows + int64_t(r) * row_stride + i); });
    transpose(tile);
    unrolled<kLanes>([&](auto c) { hn::Store(tile[c], d, to + (i + int64_t(c)) * kLanes); });
  }
  for (; i < n; ++i) {
    for (size_t r = 0; r < kLanes; ++r) to[i * kLanes + r] = rows[int64_t(r) * row_stride + i];
  }
}

void store_rows(const float* from, int64_t n, float scale, float* rows, int64_t row_stride) {
  const D d;
  const auto factor = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + int64_t(kLanes) <= n; i += kLanes) {
    hn::Vec<D> tile[kLanes];
    unrolled<kLanes>(
        [&](auto c) { tile[c] = hn::Mul(hn::Load(d, from + (i + int64_t(c)) * kLanes), factor); });
    transpose(tile);
    unrolled<kLanes>([&](auto r) { hn::StoreU(tile[r], d, rows + int64_t(r) * row_stride + i); });
  }
  for (; i < n; ++i) {
    for (size_t r = 0; r < kLanes; ++r) {
      rows[int64_t(r) * row_stride + i] = from[i * kLanes + r] * scale;
    }
  }
}

void load_complex(const float* from, int64_t stride, int64_t n, float* to) {
  const D d;
  for (int64_t i = 0; i < n; ++i) {
    hn::Vec<D> re, im;
    hn::LoadInterleaved2(d, from + i * stride, re, im);
    // The next pack's: hardware does not follow strides from page to page.
    hwy::Prefetch(from + i * stride + kElement);
    hwy::Prefetch(from + i * stride + kElement + kLanes);
    hn::Store(re, d, to + i * kElement);
    hn::Store(im, d, to + i * kElement + kLanes);
  }
}

void store_complex(const float* from, int64_t n, float scale, float* to, int64_t stride) {
  const D d;
  const auto factor = hn::Set(d, scale);
  for (int64_t i = 0; i < n; ++i) {
    const auto re = hn::Mul(hn::Load(d, from + i * kElement), factor);
    const auto im = hn::Mul(hn::Load(d, from + i * kElement + kLanes), factor);
    hn::StoreInterleaved2(re, im, d, to + i * stride);
  }
}

inline constexpr Parts kForward{0, kLanes};

void twiddle(const float* from, int64_t n, bool is_inverse, const float* roots, int64_t step,
             const float* by_lane, float* to) {
  for (int64_t k = 0; k < n; ++k) {
    Complex factor = kForward.load(by_lane + k * kElement) * load_root(roots + 2 * k * step);
    if (is_inverse) factor.im = -factor.im;
    const Complex x = kForward.load(from + k * kElement) * factor;
    hn::StoreInterleaved2(x.re.v, x.im.v, D(), to + k * kElement);
  }
}

// Elements k and n - k of a spectrum of n complex numbers, or of 2n real ones, which these are
// pairs of.
struct SpectrumPair {
  Complex at_k;
  Complex at_rest;
};

// The spectrum of the real numbers from that of the pairs; `w` is exp(-pi i k / n). The sum and
// difference of the one and the conjugate of the other are the spectra of the even and of the odd
// numbers.
TARN_FN SpectrumPair split_pair(SpectrumPair z, Complex w) {
  const Floats half(0.5f);
  const Complex even{(z.at_k.re + z.at_rest.re) * half, (z.at_k.im - z.at_rest.im) * half};
  const Complex odd{(z.at_k.im + z.at_rest.im) * half, (z.at_rest.re - z.at_k.re) * half};
  const Floats turned_re = odd.re * w.re - odd.im * w.im;
  const Floats turned_im = odd.re * w.im + odd.im * w.re;
  return {{even.re + turned_re, even.im + turned_im}, {even.re - turned_re, turned_im - even.im}};
}

// Twice the inverse.
TARN_FN SpectrumPair merge_pair(SpectrumPair x, Complex w) {
  const Complex even{x.at_k.re + x.at_rest.re, x.at_k.im - x.at_rest.im};
  const Complex turned_odd{x.at_k.re - x.at_rest.re, x.at_k.im + x.at_rest.im};
  const Floats odd_re = turned_odd.re * w.re + turned_odd.im * w.im;
  const Floats odd_im = turned_odd.im * w.re - turned_odd.re * w.im;
  return {{even.re - odd_im, even.im + odd_re}, {even.re + odd_im, odd_re - even.im}};
}

// Elements that are stored to each row at once. Rows begin anywhere in a line of memory: with fewer
// elements more lines are stored in two parts, and have left the first-level cache in between.
inline constexpr int64_t kPieceElements = 32;

// Elements k and n - k of the spectrum of pairs, taken apart.
TARN_FN void split_elements(const float* from, int64_t n, int64_t k, const float* twiddles,
                            float* at_k, float* at_rest) {
  const auto split =
      split_pair({kForward.load(from + k * kElement), kForward.load(from + (n - k) * kElement)},
                 load_root(twiddles + 2 * k));
  kForward.store(at_k, split.at_k);
  kForward.store(at_rest, split.at_rest);
}

void split_spectrum(const float* from, int64_t n, const float* twiddles, float* to) {
  const Complex first = kForward.load(from);
  kForward.store(to, {first.re + first.im, Floats(0)});
  kForward.store(to + n * kElement, {first.re - first.im, Floats(0)});
  for (int64_t k = 1; k <= n - k; ++k) {
    split_elements(from, n, k, twiddles, to + k * kElement, to + (n - k) * kElement);
  }
}

void split_to_rows(const float* from, int64_t n, const float* twiddles, float scale, float* rows,
                   int64_t row_stride) {
  constexpr auto kFloats = int64_t(kElement);
  alignas(HWY_MAX_BYTES) float low[2 * size_t(kPieceElements) * kElement];
  float* const high = low + kPieceElements * kFloats;
  const auto store = [&](const float* elements, int64_t count, int64_t k) {
    store_rows(elements, 2 * count, scale, rows + 2 * k, row_stride);
  };
  const Complex first = kForward.load(from);
  kForward.store(low, {first.re + first.im, Floats(0)});
  kForward.store(high, {first.re - first.im, Floats(0)});
  store(low, 1, 0);
  store(high, 1, n);
  int64_t k = 1;
  for (; 2 * (k + kPieceElements) <= n + 1; k += kPieceElements) {
    for (int64_t j = 0; j < kPieceElements; ++j) {
      split_elements(from, n, k + j, twiddles, low + j * kFloats,
                     high + (kPieceElements - 1 - j) * kFloats);
    }
    store(low, kPieceElements, k);
    store(high, kPieceElements, n + 1 - k - kPieceElements);
  }
  for (int64_t j = k; j <= n - j; ++j) {
    split_elements(from, n, j, twiddles, low + (j - k) * kFloats, low + (n - j - k) * kFloats);
  }
  if (k <= n - k) store(low, n + 1 - 2 * k, k);
}

void merge_spectrum(const float* from, int64_t n, const float* twiddles, float* to) {
  const Floats first = load(from), last = load(from + n * kElement);
  kForward.store(to, {first + last, first - last});
  for (int64_t k = 1; k <= n - k; ++k) {
    const auto [at_k, at_rest] =
        merge_pair({kForward.load(from + k * kElement), kForward.load(from + (n - k) * kElement)},
                   load_root(twiddles + 2 * k));
    kForward.store(to + k * kElement, at_k);
    kForward.store(to + (n - k) * kElement, at_rest);
  }
}

// Adjacent complex numbers, one a lane.
TARN_FN Complex load_row(const float* from) {
  Complex x;
  hn::LoadInterleaved2(D(), from, x.re.v, x.im.v);
  return x;
}
TARN_FN void store_row(Complex x, float* to) { hn::StoreInterleaved2(x.re.v, x.im.v, D(), to); }
TARN_FN Complex reversed(Complex x) { return {hn::Reverse(D(), x.re.v), hn::Reverse(D(), x.im.v)}; }

// Elements k and n - k become f(both, twiddle).
template <class F>
TARN_FN void for_each_pair(float* row, int64_t n, const float* twiddles, int64_t begin, int64_t end,
                           F f) {
  constexpr auto kWidth = int64_t(kLanes);
  const auto step = [&](float* low, float* high, const float* roots) TARN_LAMBDA {
    const SpectrumPair both = f({load_row(low), reversed(load_row(high))}, load_row(roots));
    store_row(both.at_k, low);
    store_row(reversed(both.at_rest), high);
  };
  int64_t k = begin;
  for (; k + kWidth <= end; k += kWidth) {
    step(row + 2 * k, row + 2 * (n - k - kWidth + 1), twiddles + 2 * k);
  }
  // The others in a pack, too: one by one GCC would fuse products and sums, whatever it is told.
  const int64_t left = 2 * (end - k);
  float low[kElement] = {}, high[kElement] = {}, roots[kElement] = {};
  float* const high_begin = high + int64_t(kElement) - left;
  float* const row_low = row + 2 * k;
  float* const row_high = row + 2 * (n - end + 1);
  std::copy_n(row_low, left, low);
  std::copy_n(row_high, left, high_begin);
  std::copy_n(twiddles + 2 * k, left, roots);
  step(low, high, roots);
  std::copy_n(low, left, row_low);
  std::copy_n(high_begin, left, row_high);
}

void split_in_row(float* row, int64_t n, const float* twiddles, int64_t begin, int64_t end) {
  for_each_pair(row, n, twiddles, begin, end, split_pair);
}
void merge_in_row(float* row, int64_t n, const float* twiddles, int64_t begin, int64_t end) {
  for_each_pair(row, n, twiddles, begin, end, merge_pair);
}

}  // namespace

void add_fft_kernels(cpu::FftKernels& kernels) {
  kernels = {kLanes,  transform,      load_rows,     store_rows,     load_complex, store_complex,
             twiddle, split_spectrum, split_to_rows, merge_spectrum, split_in_row, merge_in_row};
}

}  // namespace tarn::HWY_NAMESPACE
