// The result of a node: pending, then a value or a failure, once. The only thing of a node that
// crosses threads.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <utility>

#include "tarn/base/failure.h"
#include "tarn/runtime/sync.h"

namespace tarn {

// Called once when an outcome settles, on the thread that settled it. Owned by whoever registers
// it; it may be destroyed as soon as `settled` runs. `settled` must not block.
template <class Sync>
struct BasicContinuation {
  virtual void settled() noexcept = 0;

  BasicContinuation* next = nullptr;  // guarded by the outcome's bucket

 protected:
  ~BasicContinuation() = default;
};

// Legal transitions: pending → value, pending → failed (settle_*, by the one party that owns the
// settlement); failed → pending (reset, for a retry). A value is final.
//
// Thread-safe. The settler publishes the node's data with the state: whoever sees `value` may read
// it.
template <class Sync>
class BasicOutcome {
 public:
  using Continuation = BasicContinuation<Sync>;
  using TimePoint = typename Sync::clock::time_point;

  BasicOutcome() = default;
  // For a node that is born with its value.
  struct Settled {};
  explicit BasicOutcome(Settled) noexcept : state_(kValue) {}

  BasicOutcome(const BasicOutcome&) = delete;
  BasicOutcome& operator=(const BasicOutcome&) = delete;

  bool is_settled() const noexcept { return state() != kPending; }
  bool is_value() const noexcept { return state() == kValue; }
  bool is_failed() const noexcept { return state() == kFailed; }

  // The record, or null when the outcome is not a failure (any more).
  FailurePtr failure() const {
    if (!is_failed()) return nullptr;
    std::lock_guard lock(bucket().mutex);
    return failure_;
  }

  // Requires: pending, and the caller owns the settlement. The caller keeps this outcome alive
  // until the call returns.
  void settle_value() noexcept { publish(kValue); }

  // Requires: as settle_value; `failure` is not null.
  void settle_failure(FailurePtr failure) noexcept {
    assert(failure);
    {
      std::lock_guard lock(bucket().mutex);
      failure_ = std::move(failure);
    }
    publish(kFailed);
  }

  // A failed outcome becomes pending again. Returns false when it was not failed.
  bool reset() noexcept {
    FailurePtr dropped;  // destroyed after the lock is gone: the last owner runs the
                         // unobserved-failure hook
    std::lock_guard lock(bucket().mutex);
    uint32_t expected = kFailed;
    if (!state_.compare_exchange_strong(expected, kPending)) {
      expected = kFailed | kHasWaiters;
      if (!state_.compare_exchange_strong(expected, kPending)) return false;
    }
    dropped = std::move(failure_);
    failure_ = nullptr;
    return true;
  }

  // Blocks until the outcome settles, `deadline` passes, or `interrupted()` is true (see
  // interrupt). Returns whether it has settled. Never throws the failure.
  template <class Interrupted>
  bool wait(std::optional<TimePoint> deadline, Interrupted interrupted) const {
    if (Sync::spin([this] { return is_settled(); })) return true;
    WaitBucket<Sync>& b = bucket();
    std::unique_lock lock(b.mutex);
    for (;;) {
      // Each time: the failure that woke this thread may have been reset meanwhile, flag and all.
      if (settled_state(state_.fetch_or(kHasWaiters))) return true;
      if (interrupted()) return false;
      if (!deadline) {
        b.settled.wait(lock);
      } else if (b.settled.wait_until(lock, *deadline) == std::cv_status::timeout) {
        return is_settled();
      }
    }
  }
  void wait() const {
    wait(std::nullopt, [] { return false; });
  }

  // Makes all who wait look at their `interrupted` again.
  void interrupt() const noexcept {
    WaitBucket<Sync>& b = bucket();
    std::lock_guard lock(b.mutex);
    b.settled.notify_all();
  }

  // Registers `continuation` unless the outcome has settled; returns whether it did.
  bool on_settled(Continuation& continuation) const noexcept {
    std::lock_guard lock(bucket().mutex);
    if (settled_state(state_.fetch_or(kHasWaiters))) return false;
    continuation.next = continuations_;
    continuations_ = &continuation;
    return true;
  }

  // Takes back a registration. Returns false when `continuation` has been called or is about to be.
  bool remove(Continuation& continuation) const noexcept {
    std::lock_guard lock(bucket().mutex);
    for (Continuation** link = &continuations_; *link != nullptr; link = &(*link)->next) {
      if (*link == &continuation) {
        *link = continuation.next;
        return true;
      }
    }
    return false;
  }

 private:
  static constexpr uint32_t kPending = 0;
  static constexpr uint32_t kValue = 1;
  static constexpr uint32_t kFailed = 2;
  static constexpr uint32_t kHasWaiters =
      4;  // somebody sleeps in the bucket, or left a continuation

  static uint32_t settled_state(uint32_t word) noexcept { return word & ~kHasWaiters; }
  uint32_t state() const noexcept { return settled_state(state_.load(std::memory_order_acquire)); }
  WaitBucket<Sync>& bucket() const noexcept { return wait_bucket<Sync>(this); }

  void publish(uint32_t settled) noexcept {
    uint32_t before = state_.exchange(settled, std::memory_order_acq_rel);
    assert(settled_state(before) == kPending);
    if (before & kHasWaiters) wake();
  }

  void wake() noexcept {
    Continuation* list;
    {
      WaitBucket<Sync>& b = bucket();
      std::lock_guard lock(b.mutex);
      list = std::exchange(continuations_, nullptr);
      b.settled.notify_all();
    }
    // A continuation may be gone once it has run, so its link is read first.
    while (list != nullptr) std::exchange(list, list->next)->settled();
  }

  mutable typename Sync::template atomic<uint32_t> state_{kPending};
  mutable Continuation* continuations_ = nullptr;  // guarded by the bucket
  FailurePtr failure_;                             // guarded by the bucket
};

using Outcome = BasicOutcome<StdSync>;
using Continuation = BasicContinuation<StdSync>;

}  // namespace tarn
