// The result of a node: pending, then a value or a failure, once. The only thing of a node that
// crosses threads.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <utility>

#include "tarn/base/failure.h"
#include "tarn/base/sync.h"
#include "tarn/runtime/thread_owner.h"

namespace tarn {

// Where threads sleep for, and callbacks are attached to, the outcomes that hash to it. One lock
// serves many outcomes, so that an outcome costs two words and waiting allocates nothing.
template <class Sync>
struct WaitBucket {
  typename Sync::mutex mutex;
  typename Sync::condition_variable settled;
};

// The bucket of an address. Specialised for each policy; buckets outlive all outcomes.
template <class Sync>
WaitBucket<Sync>& wait_bucket(const void* outcome) noexcept;

template <>
WaitBucket<StdSync>& wait_bucket<StdSync>(const void* outcome) noexcept;

// Called once when an outcome has settled, on the thread that settled it. Owned by whoever
// registers it; it may be destroyed as soon as `settled` runs.
template <class Sync>
struct BasicContinuation {
  enum class Kind : bool { prompt, may_wait };

  // One that may wait for other outcomes comes after those that do not.
  explicit BasicContinuation(Kind kind = Kind::prompt) noexcept : kind(kind) {}
  virtual void settled() noexcept = 0;

  const Kind kind;
  BasicContinuation* next = nullptr;  // guarded by the outcome's bucket

 protected:
  ~BasicContinuation() = default;
};

// The continuations of outcomes that are being settled, called when this goes out of scope. Who
// settles several outcomes settles all of them first: a continuation may wait for any.
template <class Sync>
class BasicAnnouncement {
 public:
  using Continuation = BasicContinuation<Sync>;

  BasicAnnouncement() = default;
  BasicAnnouncement(const BasicAnnouncement&) = delete;
  BasicAnnouncement& operator=(const BasicAnnouncement&) = delete;
  ~BasicAnnouncement() {
    *prompt_end_ = may_wait_;
    // A continuation may be gone once it has run, so its link is read first.
    while (prompt_ != nullptr) std::exchange(prompt_, prompt_->next)->settled();
  }

  // `newest` heads the list of an outcome; those registered first are called first.
  void add(Continuation* newest) noexcept {
    Continuation* oldest = nullptr;
    while (newest != nullptr) {
      Continuation* older = newest->next;
      newest->next = std::exchange(oldest, newest);
      newest = older;
    }
    while (oldest != nullptr) {
      Continuation* added = std::exchange(oldest, oldest->next);
      added->next = nullptr;
      Continuation**& end = added->kind == Continuation::Kind::prompt ? prompt_end_ : may_wait_end_;
      *end = added;
      end = &added->next;
    }
  }

 private:
  Continuation* prompt_ = nullptr;
  Continuation** prompt_end_ = &prompt_;
  Continuation* may_wait_ = nullptr;
  Continuation** may_wait_end_ = &may_wait_;
};

// Legal transitions: pending → value, pending → failed (settle_*, by the one party that owns the
// settlement); failed → pending (reset, for a retry, with a larger ticket than any before). A value
// is final.
//
// Thread-safe. The settler publishes the node's data with the state: whoever sees `value` may read
// it.
template <class Sync>
class BasicOutcome {
 public:
  using Continuation = BasicContinuation<Sync>;
  using Announcement = BasicAnnouncement<Sync>;
  using TimePoint = typename Sync::clock::time_point;

  // The ticket of who looks now, whatever was reset before.
  static constexpr uint64_t kLatest = ~uint64_t{0};

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

  // Whether a step planned with `ticket` has to wait for it: pending, and not reset since. What was
  // reset since may stand behind the step in its own queue.
  bool must_wait(uint64_t ticket) const noexcept {
    uint64_t word = state_.load(std::memory_order_acquire);
    return state_of(word) == kPending && ticket_of(word) <= ticket;
  }

  // The ticket of the reset that it is pending since; 0 when it never was reset, or has settled.
  uint64_t last_reset() const noexcept { return ticket_of(state_.load(std::memory_order_acquire)); }

  // What a step that must not wait fails with: the failure, also after a reset. Null when there is
  // a value instead. Requires: it has settled once.
  FailurePtr last_failure() const {
    if (is_value()) return nullptr;
    std::lock_guard lock(bucket().mutex);
    return failure_;
  }

  // Requires: pending, and the caller owns the settlement. The caller keeps this outcome alive
  // until the call returns.
  void settle_value(Announcement& announcement) noexcept { publish(kValue, announcement); }
  void settle_value() noexcept {
    Announcement alone;
    settle_value(alone);
  }

  // Requires: as settle_value; `failure` is not null.
  void settle_failure(FailurePtr failure, Announcement& announcement) noexcept {
    assert(failure);
    exchange_failure(std::move(failure));
    publish(kFailed, announcement);
  }
  void settle_failure(FailurePtr failure) noexcept {
    Announcement alone;
    settle_failure(std::move(failure), alone);
  }

  // A failed outcome becomes pending again. Returns false when it was not failed.
  bool reset(uint64_t ticket) noexcept {
    std::lock_guard lock(bucket().mutex);
    uint64_t failed = state_.load();
    return state_of(failed) == kFailed &&
           state_.compare_exchange_strong(failed, ticket << kTicketShift);
  }

  // Blocks until the outcome settles, `deadline` passes, or `interrupted()` is true (see
  // interrupt). Returns whether it has settled. Never throws the failure.
  template <class Interrupted>
  bool wait(std::optional<TimePoint> deadline, Interrupted interrupted) const {
    if (Sync::spin([this] { return is_settled(); })) return true;
    typename BasicThreadOwner<Sync>::Sleep sleep;
    WaitBucket<Sync>& b = bucket();
    std::unique_lock lock(b.mutex);
    for (;;) {
      // Each time: the failure that woke this thread may have been reset meanwhile, flag and all.
      if (state_of(state_.fetch_or(kHasWaiters)) != kPending) return true;
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

  // Makes all who wait for `outcome`, which may be gone, look at their `interrupted` again.
  static void interrupt(const BasicOutcome* outcome) noexcept {
    WaitBucket<Sync>& b = wait_bucket<Sync>(outcome);
    std::lock_guard lock(b.mutex);
    b.settled.notify_all();
  }

  // Registers `continuation` if what was planned with `ticket` must wait; returns whether it did.
  bool on_settled(Continuation& continuation, uint64_t ticket = kLatest) const noexcept {
    std::lock_guard lock(bucket().mutex);
    uint64_t word = state_.fetch_or(kHasWaiters);
    if (state_of(word) != kPending || ticket_of(word) > ticket) return false;
    continuation.next = std::exchange(continuations_, &continuation);
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
  // The word: the state, a flag, and, while pending, the ticket of the last reset.
  static constexpr uint64_t kPending = 0;
  static constexpr uint64_t kValue = 1;
  static constexpr uint64_t kFailed = 2;
  static constexpr uint64_t kStateMask = 3;
  static constexpr uint64_t kHasWaiters =
      4;  // someone sleeps in the bucket, or left a continuation
  static constexpr int kTicketShift = 3;

  static uint64_t state_of(uint64_t word) noexcept { return word & kStateMask; }
  static uint64_t ticket_of(uint64_t word) noexcept { return word >> kTicketShift; }
  uint64_t state() const noexcept { return state_of(state_.load(std::memory_order_acquire)); }
  WaitBucket<Sync>& bucket() const noexcept { return wait_bucket<Sync>(this); }

  void publish(uint64_t settled, Announcement& announcement) noexcept {
    uint64_t before = state_.exchange(settled, std::memory_order_acq_rel);
    assert(state_of(before) == kPending);
    if (before & kHasWaiters) announcement.add(wake());
    if (settled == kValue && ticket_of(before) != 0) exchange_failure(nullptr);
  }

  // Leaves the old failure to the caller: the last owner runs the unobserved-failure hook, and must
  // not do so under the lock.
  FailurePtr exchange_failure(FailurePtr failure) noexcept {
    std::lock_guard lock(bucket().mutex);
    return std::exchange(failure_, std::move(failure));
  }

  // Wakes the threads, and hands over the continuations.
  Continuation* wake() noexcept {
    WaitBucket<Sync>& b = bucket();
    std::lock_guard lock(b.mutex);
    b.settled.notify_all();
    return std::exchange(continuations_, nullptr);
  }

  mutable typename Sync::template atomic<uint64_t> state_{kPending};
  mutable Continuation* continuations_ = nullptr;  // guarded by the bucket
  FailurePtr failure_;                             // guarded by the bucket
};

// An outcome that something planned with `ticket` must wait for; none by default.
template <class Sync>
struct BasicPending {
  const BasicOutcome<Sync>* outcome = nullptr;
  uint64_t ticket = 0;

  explicit operator bool() const noexcept { return outcome != nullptr; }
  bool must_wait() const noexcept { return outcome->must_wait(ticket); }
};

using Outcome = BasicOutcome<StdSync>;
using Pending = BasicPending<StdSync>;
using Continuation = BasicContinuation<StdSync>;
using Announcement = BasicAnnouncement<StdSync>;

}  // namespace tarn
