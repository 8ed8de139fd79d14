// The work of one eval on one stream: steps in order, each settles its nodes exactly once, whatever
// happens.
#pragma once

#include <atomic>
#include <concepts>
#include <memory>
#include <vector>

#include "tarn/runtime/stream_queue.h"

namespace tarn {

// What a batch needs of a step. The outcomes that `input` returns live as long as the step.
template <class Step, class Sync>
concept BatchStep = requires(Step step, size_t i, const FailurePtr& failure,
                             BasicAnnouncement<Sync>& announcement) {
  { step.n_inputs() } -> std::convertible_to<size_t>;
  { step.input(i) } -> std::convertible_to<const BasicOutcome<Sync>*>;
  // Computes into the step. Requires: all inputs have settled or been reset since the batch was
  // planned. Handles inputs without a value itself: see last_failure.
  { step.compute() }
  noexcept->std::same_as<FailurePtr>;  // null: a value
  { step.settle_value(announcement) }
  noexcept;
  { step.settle_failure(failure, announcement) }
  noexcept;
  // Drops what the step holds, once it is over.
  { step.finish() }
  noexcept;
};

// Thread-safe where it says so. Shared by the queue and, when it can be cancelled, by whoever may
// cancel it.
//
// Each step is settled by the one party that moves its claim to `settled`: the thread that runs it,
// or one that cancels it. A step that is cancelled while it runs settles at once; what it computes
// is dropped when it ends.
template <class Sync, class Step>
requires BatchStep<Step, Sync>
class BasicBatch final : public BasicTask<Sync> {
 public:
  using Announcement = BasicAnnouncement<Sync>;

  // `ticket` says when the steps were planned: see BasicOutcome::must_wait.
  BasicBatch(std::vector<Step> steps, uint64_t ticket, bool cancellable)
      : steps_(std::move(steps)),
        ticket_(ticket),
        claims_(cancellable ? new Claim[steps_.size()] : nullptr) {}
  ~BasicBatch() {
    if (if_abandoned_ == nullptr || next_ == steps_.size()) return;
    Announcement announcement;
    abandon(if_abandoned_(), announcement);
  }

  // From now on the nodes of all steps will be settled: with the failure that `if_abandoned` makes,
  // when the batch is destroyed before they are. Until then the batch owes nothing.
  void commit(MakeFailure if_abandoned) noexcept { if_abandoned_ = if_abandoned; }

  size_t n_steps() const noexcept { return steps_.size(); }
  Step& step(size_t i) noexcept { return steps_[i]; }

  // Makes the caller the one that settles the nodes of step i. Returns false when somebody else
  // does or did. Thread-safe. Requires: cancellable. What the step holds stays the batch's: settle
  // its nodes through owners of them.
  bool claim(size_t i) noexcept { return claims_[i].exchange(kSettled) != kSettled; }

  // Whether the step that advance has stopped at has been settled since. For whoever runs the
  // batch.
  bool is_next_settled() const noexcept { return settled(next_); }

  BasicPending<Sync> advance() noexcept override {
    for (; next_ < steps_.size(); ++next_) {
      Step& step = steps_[next_];
      if (!settled(next_)) {
        if (auto pending = first_pending(step)) return pending;
        if (start(next_)) {
          FailurePtr failure = step.compute();
          if (end(next_)) {
            Announcement announcement;
            if (failure) {
              step.settle_failure(failure, announcement);
            } else {
              step.settle_value(announcement);
            }
          }
        }
      }
      step.finish();
    }
    return {};
  }

  void abandon(const FailurePtr& why, Announcement& announcement) noexcept override {
    for (; next_ < steps_.size(); ++next_) {
      if (end(next_)) steps_[next_].settle_failure(why, announcement);
      steps_[next_].finish();
    }
  }

  // The step that was running may have settled its nodes, or only begun to: settle_failure looks.
  void abandon_in_child(const FailurePtr& why) noexcept override {
    Announcement announcement;
    for (size_t i = next_; i < steps_.size(); ++i) {
      if (end(i)) steps_[i].settle_failure(why, announcement);
    }
  }

  void release() noexcept override { drop(); }
  void share() noexcept { owners_.fetch_add(1); }
  void drop() noexcept {
    if (owners_.fetch_sub(1) == 1) delete this;
  }

 private:
  enum State : uint8_t { kQueued, kRunning, kSettled };
  struct Claim : Sync::template atomic<uint8_t> {
    Claim() : Sync::template atomic<uint8_t>(kQueued) {}
  };

  BasicPending<Sync> first_pending(Step& step) const noexcept {
    size_t n = step.n_inputs();
    for (size_t i = 0; i < n; ++i) {
      BasicPending<Sync> input{step.input(i), ticket_};
      if (input.must_wait()) return input;
    }
    return {};
  }

  bool settled(size_t i) const noexcept { return claims_ && claims_[i].load() == kSettled; }
  bool start(size_t i) noexcept {
    uint8_t queued = kQueued;
    return !claims_ || claims_[i].compare_exchange_strong(queued, kRunning);
  }
  bool end(size_t i) noexcept { return !claims_ || claim(i); }

  std::vector<Step> steps_;
  const uint64_t ticket_;
  const std::unique_ptr<Claim[]> claims_;  // null: cannot be cancelled, and pays for no atomics
  size_t next_ = 0;                        // touched only by the thread that runs the queue
  MakeFailure if_abandoned_ = nullptr;     // null until committed
  typename Sync::template atomic<int> owners_{1};
};

}  // namespace tarn
