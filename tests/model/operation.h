// What a virtual thread does that others can see, which of these operations commute, and the clocks
// that order them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>

namespace tarn::model {

inline constexpr int kMaxThreads = 16;
// In the life of one execution, so that clocks and operations stay small.
inline constexpr int kMaxObjects = 30'000;
inline constexpr int kMaxSteps = 60'000;
inline constexpr int kNoThread = -1;
inline constexpr int kNoObject = -1;

class ThreadSet {
 public:
  constexpr ThreadSet() = default;
  static constexpr ThreadSet of(int thread) { return ThreadSet(1u << thread); }

  constexpr bool contains(int thread) const { return (bits_ >> thread & 1u) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr int size() const { return std::popcount(bits_); }
  // Requires: not empty.
  constexpr int first() const { return std::countr_zero(bits_); }
  // Requires: 0 <= n < size().
  constexpr int nth(int n) const {
    uint32_t rest = bits_;
    while (n-- > 0) rest &= rest - 1;
    return std::countr_zero(rest);
  }

  constexpr void add(int thread) { bits_ |= 1u << thread; }
  constexpr void remove(int thread) { bits_ &= ~(1u << thread); }
  constexpr void clear() { bits_ = 0; }

  friend constexpr ThreadSet operator|(ThreadSet a, ThreadSet b) {
    return ThreadSet(a.bits_ | b.bits_);
  }
  friend constexpr ThreadSet operator&(ThreadSet a, ThreadSet b) {
    return ThreadSet(a.bits_ & b.bits_);
  }
  friend constexpr ThreadSet operator-(ThreadSet a, ThreadSet b) {
    return ThreadSet(a.bits_ & ~b.bits_);
  }
  friend constexpr bool operator==(ThreadSet, ThreadSet) = default;

 private:
  explicit constexpr ThreadSet(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

// time[t]: how much of thread t's past its owner has seen, directly or through others.
struct VectorClock {
  std::array<uint16_t, kMaxThreads> time{};

  void join(const VectorClock& other) {
    for (int i = 0; i < kMaxThreads; ++i) time[i] = std::max(time[i], other.time[i]);
  }
};

enum class OpKind : uint8_t {
  read,   // of an atomic or of the clock
  write,  // of an atomic, also read-modify-write
  lock,   // enabled while nobody owns the mutex
  try_lock,
  unlock,
  sleep,     // joins the sleepers of a condition variable and unlocks the mutex
  asleep,    // on a condition variable; enabled never: a notification turns it into `lock`
  time_out,  // asleep with a deadline; enabled always: virtual time may pass at any moment
  notify,
  advance,  // moves the clock forward
  destroy,
  join,  // enabled once the thread has finished
};

// How an operation uses an object.
enum class Access : uint8_t {
  none,
  read,
  accumulate,  // what it adds does not depend on what others add, and nobody can tell the order
  write,
  lock,
  unlock,
};

// Two accesses of one object of which the order can matter.
constexpr bool conflicts(Access a, Access b) {
  if (a == Access::none || b == Access::none) return false;
  return a != b || (a != Access::read && a != Access::accumulate);
}

// Conflicting accesses that some state lets go first either way. An unlock needs an owner, a lock
// needs none.
constexpr bool is_reversible(Access a, Access b) {
  bool by_owner = (a == Access::unlock && (b == Access::lock || b == Access::unlock)) ||
                  (b == Access::unlock && a == Access::lock);
  return conflicts(a, b) && !by_owner;
}

// One visible operation, of at most two objects: `sleep` also unlocks, `time_out` also advances the
// clock.
struct Op {
  static constexpr int kMaxUses = 2;

  // Narrow types, since searches keep many.
  OpKind kind = OpKind::read;
  int8_t thread = kNoThread;  // of `join`
  std::array<int16_t, kMaxUses> object{kNoObject, kNoObject};

  friend bool operator==(const Op& a, const Op& b) {
    return a.kind == b.kind && a.thread == b.thread && a.object[0] == b.object[0] &&
           a.object[1] == b.object[1];
  }

  Access access(int use) const {
    if (object[use] == kNoObject) return Access::none;
    switch (kind) {
      case OpKind::read:
        return Access::read;
      case OpKind::lock:
        return Access::lock;
      case OpKind::unlock:
        return Access::unlock;
      case OpKind::sleep:
        return use == 0 ? Access::accumulate : Access::unlock;
      case OpKind::asleep:
      case OpKind::time_out:
      case OpKind::advance:
        return Access::accumulate;
      default:
        return Access::write;
    }
  }
  Access access_of(int an_object) const {
    if (object[0] == an_object) return access(0);
    return object[1] == an_object ? access(1) : Access::none;
  }
};

// Whether the order of two operations of different threads can matter.
inline bool dependent(const Op& a, const Op& b) {
  for (int use = 0; use < Op::kMaxUses && a.object[use] != kNoObject; ++use) {
    if (conflicts(a.access(use), b.access_of(a.object[use]))) return true;
  }
  return false;
}

}  // namespace tarn::model
