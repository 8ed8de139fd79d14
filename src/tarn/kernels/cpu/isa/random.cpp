// Threefry on packs of counters.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/random_kernels.h"
#include "tarn/math/pack_pair.h"

namespace tarn::HWY_NAMESPACE {

// Not in the unnamed namespace, where argument-dependent lookup would not find them.
template <int kBits>
TARN_FN Pack<uint32_t> rotate_left(Pack<uint32_t> x) {
  return hn::RotateRight<32 - kBits>(x.v);
}
template <int kBits, class P>
TARN_FN Pair<P> rotate_left(Pair<P> x) {
  return Pair(rotate_left<kBits>(x.first), rotate_left<kBits>(x.second));
}

namespace {

using Word = Pack<uint32_t>;
// Each step of a block waits for the one before it; with so many at once nobody waits.
using Words = Pair<Pair<Word>>;
inline constexpr size_t kLanes = 4 * Word::kLanes;

// first, first + 1, …
TARN_FN Words count_from(uint32_t first) {
  const auto pack = [&](uint32_t k) TARN_LAMBDA -> Word {
    return hn::Iota(Word::D(), first + k * Word::kLanes);
  };
  return Pair(Pair(pack(0), pack(1)), Pair(pack(2), pack(3)));
}

template <class F>
TARN_FN void store_words(const Words& words, F become, unsigned char* to) {
  const Word packs[] = {words.first.first, words.first.second, words.second.first,
                        words.second.second};
  unrolled<4>([&](auto k) TARN_LAMBDA {
    hn::StoreU(become(packs[k]).v, Word::D(), reinterpret_cast<uint32_t*>(to) + k * Word::kLanes);
  });
}

// `become` turns a pack of words into what is stored.
template <class F>
TARN_FN void draw(const math::ThreefryKey& key, uint32_t first, uint32_t distance, void* x, void* y,
                  size_t n, F become) {
  const Words apart(distance);
  for (size_t i = 0; i < n; i += kLanes) {
    const Words counter = count_from(first + uint32_t(i));
    math::ThreefryBlock<Words> block{counter, counter + apart};
    block.encrypt(key);
    unsigned char* const to_x = static_cast<unsigned char*>(x) + 4 * i;
    unsigned char* const to_y = static_cast<unsigned char*>(y) + 4 * i;
    if (n - i >= kLanes) {
      store_words(block.x, become, to_x);
      store_words(block.y, become, to_y);
    } else {
      unsigned char rest[2][4 * kLanes];
      store_words(block.x, become, rest[0]);
      store_words(block.y, become, rest[1]);
      std::memcpy(to_x, rest[0], 4 * (n - i));
      std::memcpy(to_y, rest[1], 4 * (n - i));
    }
  }
}

void draw_words(const math::ThreefryKey& key, uint32_t first, uint32_t distance,
                const cpu::UniformNumbers* numbers, void* x, void* y, size_t n) {
  if (numbers == nullptr) {
    draw(key, first, distance, x, y, n, [](Word word) TARN_LAMBDA { return word; });
    return;
  }
  const hn::ScalableTag<float> d;
  const auto least = hn::Set(d, numbers->least), most = hn::Set(d, numbers->most);
  const auto range = hn::Set(d, numbers->range), low = hn::Set(d, numbers->low);
  draw(key, first, distance, x, y, n, [&](Word word) TARN_LAMBDA -> Word {
    const auto fraction = hn::Mul(hn::ConvertTo(d, word.v), hn::Set(d, 0x1p-32f));
    const auto limited = hn::Min(hn::Max(fraction, least), most);
    return hn::BitCast(Word::D(), hn::Add(hn::Mul(limited, range), low));
  });
}

}  // namespace

void add_random_kernels(cpu::RandomKernels& kernels) { kernels.draw_words = draw_words; }

}  // namespace tarn::HWY_NAMESPACE
