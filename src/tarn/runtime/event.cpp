#include "tarn/runtime/event.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

#include "tarn/runtime/fork.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

// One for all events, because fork() has to hold it: events are made by the thousand and used
// rarely. Nothing else is locked under it.
std::mutex& events_mutex() noexcept {
  static constinit std::mutex mutex;
  return mutex;
}

}  // namespace

void fork_hooks::lock_events() noexcept { events_mutex().lock(); }
void fork_hooks::unlock_events() noexcept { events_mutex().unlock(); }

// One outcome per value that somebody waits for and that has not been signaled.
struct Event::State {
  explicit State(Stream stream) : stream(stream) {}
  State(const State&) = delete;
  // Nobody is left to signal what streams wait for.
  ~State() {
    const bool is_awaited = std::any_of(waited_for.begin(), waited_for.end(),
                                        [](auto& waited) { return waited.second.use_count() > 1; });
    if (!is_awaited) return;
    const FailurePtr why = record_failure(FailureKind::abandoned, "the event was never signaled",
                                          {.op = "event", .stream = stream});
    // In the child of a fork it is the parent's streams that wait.
    if (Runtime::instance().forked()) why->mark_observed();
    signal(waited_for.rbegin()->first, why);
  }

  bool is_signaled(uint64_t value) const {
    if (of_node) return of_node->is_settled();
    std::lock_guard lock(events_mutex());
    return value <= signaled;
  }

  std::shared_ptr<const Outcome> outcome(uint64_t value) {
    if (of_node) return of_node;
    auto fresh = std::make_shared<Outcome>();
    FailurePtr why_not;
    {
      std::lock_guard lock(events_mutex());
      if (value > signaled) return waited_for.try_emplace(value, std::move(fresh)).first->second;
      why_not = failure;
    }
    settle(*fresh, why_not);
    return fresh;
  }

  // Allocates nothing: signaling must not fail. A failure to signal what has been signaled, as the
  // child of a fork may have it, changes nothing.
  void signal(uint64_t value, FailurePtr why_not) noexcept {
    FailurePtr reason = why_not;
    {
      std::lock_guard lock(events_mutex());
      if (why_not && value <= signaled) return;
      signaled = std::max(signaled, value);
      failure.swap(why_not);
    }
    while (auto outcome = take_up_to(value)) settle(*outcome, reason);
  }

  const Stream stream;
  std::shared_ptr<const Outcome> of_node;  // null for an event of its own
  uint64_t ticket = 0;                     // of of_node when the event was made: see must_wait

 private:
  std::shared_ptr<Outcome> take_up_to(uint64_t value) noexcept {
    std::lock_guard lock(events_mutex());
    auto first = waited_for.begin();
    if (first == waited_for.end() || first->first > value) return nullptr;
    return std::move(waited_for.extract(first).mapped());
  }
  static void settle(Outcome& outcome, const FailurePtr& why_not) noexcept {
    if (why_not) {
      outcome.settle_failure(why_not);
    } else {
      outcome.settle_value();
    }
  }

  // All below guarded by events_mutex().
  std::map<uint64_t, std::shared_ptr<Outcome>> waited_for;
  uint64_t signaled = 0;
  FailurePtr failure;  // why the last signal never came
};

namespace {

// Parks its stream until an outcome has settled.
class WaitTask final : public Task {
 public:
  WaitTask(std::shared_ptr<const Outcome> outcome, uint64_t ticket)
      : outcome_(std::move(outcome)), pending_{outcome_.get(), ticket} {}

  Pending advance() noexcept override { return pending_.must_wait() ? pending_ : Pending(); }
  // What comes after it has not waited. Nobody can be told but the hook, which gets the record.
  void abandon(const FailurePtr&, Announcement&) noexcept override {}
  void release() noexcept override { delete this; }

 private:
  const std::shared_ptr<const Outcome> outcome_;
  const Pending pending_;
};

template <class Signal>
class SignalTask final : public Task {
 public:
  explicit SignalTask(Signal signal) : signal_(std::move(signal)) {}

  Pending advance() noexcept override {
    signal_(nullptr);
    return {};
  }
  void abandon(const FailurePtr& why, Announcement&) noexcept override { signal_(why); }
  void release() noexcept override { delete this; }

 private:
  Signal signal_;
};

}  // namespace

Event::Event(Stream stream) : state_(std::make_shared<State>(stream)), value_(1) {}

Event::Event(Stream stream, std::shared_ptr<const Outcome> outcome) : Event(stream) {
  state_->ticket = outcome->last_reset();
  state_->of_node = std::move(outcome);
}

std::shared_ptr<const Outcome> Event::outcome() const {
  if (!valid()) throw std::invalid_argument("[Event] The event was not made for a stream.");
  return state_->outcome(value_);
}

void Event::wait() {
  std::shared_ptr<const Outcome> outcome = this->outcome();
  outcome->wait();
  if (FailurePtr failure = outcome->failure()) throw_failure(failure);
}

void Event::wait(Stream stream) {
  StreamQueue& queue = Runtime::instance().stream(stream).queue;
  auto task = std::make_unique<WaitTask>(outcome(), state_->ticket);
  queue.post(*task.release());
}

void Event::signal(Stream stream) {
  if (!valid()) throw std::invalid_argument("[Event] The event was not made for a stream.");
  if (state_->of_node)
    throw std::invalid_argument("[Event] The event of an array is signaled by its evaluation.");
  auto signal = [state = state_, value = value_](const FailurePtr& why_not) noexcept {
    state->signal(value, why_not);
  };
  auto task = std::make_unique<SignalTask<decltype(signal)>>(std::move(signal));
  Runtime::instance().stream(stream).queue.post(*task.release());
}

bool Event::is_signaled() const { return valid() && state_->is_signaled(value_); }

const Stream& Event::stream() const {
  if (!valid()) throw std::invalid_argument("[Event] The event was not made for a stream.");
  return state_->stream;
}

}  // namespace tarn
