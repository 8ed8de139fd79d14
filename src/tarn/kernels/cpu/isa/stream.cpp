// Copies past the caches.
#include "tarn/kernels/cpu/isa/element.h"
#include "tarn/kernels/cpu/isa/families.h"

namespace tarn::HWY_NAMESPACE {

namespace {

constexpr size_t kLine = 64;
// Where to fetch to. The first-level cache of an Intel processor took lines in at half the speed
// while others were streamed out of it.
constexpr int kSecondLevel = 2;

template <int kAhead>
void stream_lines(uint8_t* to, const uint8_t* from, size_t n_lines, const uint8_t* const* ahead) {
  const hn::ScalableTag<uint8_t> d;
  constexpr size_t kLanes = hn::MaxLanes(d);
  constexpr size_t kStores = kLine / kLanes;
  for (size_t i = 0; i < n_lines * kLine; i += kLine) {
    unrolled<kAhead>([&](auto k) { __builtin_prefetch(ahead[k] + i, 0, kSecondLevel); });
    hn::Vec<decltype(d)> line[kStores];
    unrolled<kStores>([&](auto k) { line[k] = hn::LoadU(d, from + i + k * kLanes); });
    unrolled<kStores>([&](auto k) { hn::Stream(line[k], d, to + i + k * kLanes); });
  }
}

// The ends of a target that does not begin and end at a cache line are stored as usual.
void stream_copy(void* to, const void* from, size_t nbytes, const void* const* ahead, int n_ahead) {
  using LineCopy = void (*)(uint8_t*, const uint8_t*, size_t, const uint8_t* const*);
  static constexpr LineCopy kCopies[] = {stream_lines<0>, stream_lines<1>, stream_lines<2>,
                                         stream_lines<3>, stream_lines<4>};
  static_assert(std::size(kCopies) == cpu::kMostAhead + 1);
  const uint8_t* next[cpu::kMostAhead];
  for (int i = 0; i < n_ahead; ++i) next[i] = static_cast<const uint8_t*>(ahead[i]);
  uint8_t* const bytes_to = static_cast<uint8_t*>(to);
  const uint8_t* const bytes_from = static_cast<const uint8_t*>(from);
  const size_t misaligned = reinterpret_cast<uintptr_t>(to) % kLine;
  const size_t head = HWY_MIN(nbytes, (kLine - misaligned) % kLine);
  const size_t n_lines = (nbytes - head) / kLine;
  const size_t tail = head + n_lines * kLine;
  std::memcpy(to, from, head);
  kCopies[n_ahead](bytes_to + head, bytes_from + head, n_lines, next);
  std::memcpy(bytes_to + tail, bytes_from + tail, nbytes - tail);
}

}  // namespace

void add_stream_kernels(cpu::KernelTable& table) { table.stream_copy = stream_copy; }

}  // namespace tarn::HWY_NAMESPACE
