// Updates in the order of the places that they go to.
#pragma once

#include <cstdint>
#include <span>

namespace tarn::cpu {

// Where an update goes and which one of its group it is: in this order as a number, so that sorting
// keeps updates of one place in theirs.
class PlacedUpdate {
 public:
  static constexpr int kNumberBits = 16;
  static constexpr int64_t kMaxGroup = int64_t{1} << kNumberBits;

  PlacedUpdate() = default;
  // Requires: offset < 2^48, number < kMaxGroup.
  PlacedUpdate(int64_t offset, int64_t number)
      : bits_(static_cast<uint64_t>(offset) << kNumberBits | static_cast<uint64_t>(number)) {}

  int64_t offset() const { return static_cast<int64_t>(bits_ >> kNumberBits); }
  int64_t number() const { return static_cast<int64_t>(bits_ & (kMaxGroup - 1)); }
  uint64_t bits() const { return bits_; }

 private:
  uint64_t bits_;
};

// Sorts by offset; updates are in the order of their numbers and stay so among equals. `scratch` is
// as long as `updates`. Requires: offsets < end.
void sort_by_offset(std::span<PlacedUpdate> updates, PlacedUpdate* scratch, int64_t end);

}  // namespace tarn::cpu
