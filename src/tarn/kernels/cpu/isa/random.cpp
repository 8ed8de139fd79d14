// Threefry on packs of counters.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/random_kernels.h"

namespace tarn::HWY_NAMESPACE {

template <int kBits>
TARN_FN Pack<uint32_t> rotate_left(Pack<uint32_t> x) {
  return hn::RotateRight<32 - kBits>(x.v);
}

namespace {

using Words = Pack<uint32_t>;

// `become` turns a pack of words into what is stored.
template <class F>
TARN_FN void draw(const math::ThreefryKey& key, uint32_t first, uint32_t distance, void* x, void* y,
                  size_t n, F become) {
  constexpr size_t kLanes = Words::kLanes;
  const hn::ScalableTag<uint32_t> d;
  const Words lane = hn::Iota(d, 0), apart(distance);
  auto* to_x = static_cast<unsigned char*>(x);
  auto* to_y = static_cast<unsigned char*>(y);
  for (size_t i = 0; i < n; i += kLanes) {
    const Words counter = Words(first + uint32_t(i)) + lane;
    math::ThreefryBlock<Words> block{counter, counter + apart};
    block.encrypt(key);
    const Words drawn_x = become(block.x), drawn_y = become(block.y);
    if (n - i >= kLanes) {
      hn::StoreU(drawn_x.v, d, reinterpret_cast<uint32_t*>(to_x + 4 * i));
      hn::StoreU(drawn_y.v, d, reinterpret_cast<uint32_t*>(to_y + 4 * i));
    } else {
      alignas(HWY_MAX_BYTES) unsigned char rest[2][HWY_MAX_BYTES];
      hn::Store(drawn_x.v, d, reinterpret_cast<uint32_t*>(rest[0]));
      hn::Store(drawn_y.v, d, reinterpret_cast<uint32_t*>(rest[1]));
      copy_small(to_x + 4 * i, rest[0], 4 * (n - i));
      copy_small(to_y + 4 * i, rest[1], 4 * (n - i));
    }
  }
}

void draw_words(const math::ThreefryKey& key, uint32_t first, uint32_t distance,
                const cpu::UniformNumbers* numbers, void* x, void* y, size_t n) {
  if (numbers == nullptr) {
    draw(key, first, distance, x, y, n, [](Words words) { return words; });
    return;
  }
  const hn::ScalableTag<float> d;
  const auto least = hn::Set(d, numbers->least), most = hn::Set(d, numbers->most);
  const auto range = hn::Set(d, numbers->range), low = hn::Set(d, numbers->low);
  draw(key, first, distance, x, y, n, [&](Words words) -> Words {
    const auto fraction = hn::Mul(hn::ConvertTo(d, words.v), hn::Set(d, 0x1p-32f));
    const auto limited = hn::Min(hn::Max(fraction, least), most);
    return hn::BitCast(hn::ScalableTag<uint32_t>(), hn::Add(hn::Mul(limited, range), low));
  });
}

}  // namespace

void add_random_kernels(cpu::RandomKernels& kernels) { kernels.draw_words = draw_words; }

}  // namespace tarn::HWY_NAMESPACE
