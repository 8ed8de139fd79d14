// A view on outcomes, in MLX's shape: a stream signals it, threads and other streams wait for it.
// It holds no error of its own: waiting throws what the outcome behind it failed with.
#pragma once

#include <cstdint>
#include <memory>

#include "tarn/runtime/outcome.h"

namespace tarn {

// A handle: copies share the event. Thread-safe but for set_value and assignment.
class Event {
 public:
  Event() = default;  // not valid(): nothing to wait for
  explicit Event(Stream stream);
  // The event of `outcome`, which its owner settles on `stream`. Requires: what will settle it is
  // in a queue, or has been since the call.
  Event(Stream stream, std::shared_ptr<const Outcome> outcome);

  // Blocks until the event's value has been signaled; throws EvalError when it will never be.
  void wait();
  // Makes later work on `stream` wait for it. A failure is not later work's business, unless that
  // reads the failed array.
  void wait(Stream stream);
  // Signals the event's value once all that is on `stream` now is done.
  void signal(Stream stream);
  bool is_signaled() const;

  bool valid() const { return state_ != nullptr; }
  // An event can be used again with a larger value; signaling a value signals all smaller ones.
  uint64_t value() const { return value_; }
  void set_value(uint64_t value) { value_ = value; }
  const Stream& stream() const;

 private:
  struct State;
  std::shared_ptr<const Outcome> outcome() const;

  std::shared_ptr<State> state_;
  uint64_t value_ = 0;
};

}  // namespace tarn
