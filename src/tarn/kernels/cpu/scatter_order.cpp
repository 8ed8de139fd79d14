#include "tarn/kernels/cpu/scatter_order.h"

#include <algorithm>
#include <bit>

namespace tarn::cpu {

namespace {

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kMaxPasses = (64 - PlacedUpdate::kNumberBits) / kDigitBits;

size_t digit(PlacedUpdate update, int pass) {
  return update.bits() >> (PlacedUpdate::kNumberBits + pass * kDigitBits) & (kDigits - 1);
}

}  // namespace

void sort_by_offset(std::span<PlacedUpdate> updates, PlacedUpdate* scratch, int64_t end) {
  const auto is_before = [](PlacedUpdate a, PlacedUpdate b) { return a.offset() < b.offset(); };
  if (std::is_sorted(updates.begin(), updates.end(), is_before)) return;

  const int n_passes = (std::bit_width(static_cast<uint64_t>(end)) + kDigitBits - 1) / kDigitBits;
  uint32_t counts[kMaxPasses][kDigits] = {};
  for (PlacedUpdate update : updates) {
    for (int pass = 0; pass < n_passes; ++pass) ++counts[pass][digit(update, pass)];
  }

  std::span<PlacedUpdate> from = updates;
  std::span<PlacedUpdate> to(scratch, updates.size());
  for (int pass = 0; pass < n_passes; ++pass) {
    uint32_t* const count = counts[pass];
    // The offsets of rows have low digits that are all zero.
    if (count[digit(from[0], pass)] == updates.size()) continue;
    uint32_t place = 0;
    for (int d = 0; d < kDigits; ++d) {
      const uint32_t n = count[d];
      count[d] = place;
      place += n;
    }
    for (PlacedUpdate update : from) to[count[digit(update, pass)]++] = update;
    std::swap(from, to);
  }
  if (from.data() != updates.data()) std::copy(from.begin(), from.end(), updates.begin());
}

}  // namespace tarn::cpu
