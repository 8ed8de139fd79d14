// The words of the contract's programs: fail(m), fill(v), plus(k) as operations of a user's
// program, and gates instead of times: an operation behind a gate runs until the test opens it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tarn/tarn.h"

namespace tarn::contract {

// Holds operations until it is opened, by open() or by its end. The test that owns it may also wait
// until an operation has reached it.
class Gate {
 public:
  class Pass {
   public:
    Pass() = default;  // of no gate
    void go_through() const {
      if (!state_) return;
      std::unique_lock lock(state_->mutex);
      if (++state_->n_reached == 1) state_->first_reached = std::chrono::steady_clock::now();
      state_->changed.notify_all();
      state_->changed.wait(lock, [&] { return state_->open; });
    }

   private:
    friend class Gate;
    struct State {
      std::mutex mutex;
      std::condition_variable changed;
      bool open = false;
      int n_reached = 0;
      std::chrono::steady_clock::time_point first_reached;  // of n_reached > 0
    };
    explicit Pass(std::shared_ptr<State> state) : state_(std::move(state)) {}

    std::shared_ptr<State> state_;
  };

  Gate() : state_(std::make_shared<Pass::State>()) {}
  ~Gate() { open(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  Pass pass() const { return Pass(state_); }
  void open() {
    std::lock_guard lock(state_->mutex);
    state_->open = true;
    state_->changed.notify_all();
  }
  void wait_until_reached(int times = 1) {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->n_reached >= times; });
  }
  bool was_reached_before(std::chrono::steady_clock::time_point time) const {
    std::lock_guard lock(state_->mutex);
    return state_->n_reached > 0 && state_->first_reached < time;
  }

 private:
  const std::shared_ptr<Pass::State> state_;
};

// How often an operation's body ran.
using Runs = std::shared_ptr<std::atomic<int>>;
inline Runs count_runs() { return std::make_shared<std::atomic<int>>(0); }

// An operation whose body is a function.
class Operation final : public Primitive {
 public:
  using Body = std::function<void(const std::vector<array>& inputs, std::vector<array>& outputs)>;

  Operation(Stream stream, std::string name, Body body)
      : Primitive(stream), name_(std::move(name)), body_(std::move(body)) {}

  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    body_(inputs, outputs);
  }
  void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    body_(inputs, outputs);
  }
  const char* name() const override { return name_.c_str(); }

 private:
  const std::string name_;
  const Body body_;
};

// What the operations below have in common.
struct How {
  Gate::Pass pass = {};
  Runs runs = nullptr;

  void begin() const {
    if (runs) ++*runs;
    pass.go_through();
  }
};

inline const Shape kShape{3};

inline void fill_output(array& output, float value) {
  output.set_data(allocator::malloc(output.nbytes()));
  std::fill_n(output.data<float>(), output.size(), value);
}

inline array operation(const std::string& name, Stream stream, std::vector<array> inputs,
                       Operation::Body body, Shape shape = kShape) {
  return array(std::move(shape), float32,
               std::make_shared<Operation>(stream, name, std::move(body)), std::move(inputs));
}

// Throws std::runtime_error(message).
inline array fail(const std::string& message, Stream stream, How how = {},
                  std::vector<array> inputs = {}) {
  return operation("fail", stream, std::move(inputs), [=](auto&, auto&) {
    how.begin();
    throw std::runtime_error(message);
  });
}

// Throws whatever `thrower` throws.
inline array fail_with(std::function<void()> thrower, Stream stream) {
  return operation("fail", stream, {}, [=](auto&, auto&) { thrower(); });
}

// Fails as often as `n_failures` says, then is `value`.
inline array fail_at_first(int n_failures, const std::string& message, float value, Stream stream,
                           How how = {}, std::vector<array> inputs = {}) {
  auto left = std::make_shared<std::atomic<int>>(n_failures);
  return operation("fail_at_first", stream, std::move(inputs), [=](auto&, auto& outputs) {
    how.begin();
    if ((*left)-- > 0) throw std::runtime_error(message);
    fill_output(outputs[0], value);
  });
}

inline array fill(float value, Stream stream, How how = {}, std::vector<array> inputs = {}) {
  return operation("fill", stream, std::move(inputs), [=](auto&, auto& outputs) {
    how.begin();
    fill_output(outputs[0], value);
  });
}

inline array plus(const array& a, float k, Stream stream, How how = {}) {
  return operation("plus", stream, {a}, [=](auto& inputs, auto& outputs) {
    how.begin();
    fill_output(outputs[0], inputs[0].template data<float>()[0] + k);
  });
}

// The sum of the first elements.
inline array sum_of(std::vector<array> arrays, Stream stream, How how = {}) {
  return operation("sum_of", stream, std::move(arrays), [=](auto& inputs, auto& outputs) {
    how.begin();
    float total = 0;
    for (const array& input : inputs) total += input.template data<float>()[0];
    fill_output(outputs[0], total);
  });
}

inline Stream cpu_stream() { return new_stream(Device::cpu); }

// What the root of the EvalError that `call` throws says; "" if it throws nothing. Any other
// exception passes.
template <class Call>
std::string root_of(Call call) {
  try {
    call();
  } catch (const EvalError& error) {
    return error.failure()->message;
  }
  return "";
}

// The first element. Throws what reading throws.
inline float value_of(const array& a) { return a.data<float>()[0]; }

inline bool has_values(const array& a, float value) {
  const float* data = a.data<float>();
  return std::all_of(data, data + a.size(), [value](float x) { return x == value; });
}

// What `build` makes of a gate has a deadline that passes while it stands before the gate: with
// ever more time to get there until it does. Whenever the deadline passes, it ends the evaluation,
// and a retry makes the array right.
template <class Build, class IsRight>
void expect_a_deadline_at_a_gate_to_end_it(Build build, IsRight is_right) {
  bool was_at_gate = false;
  for (std::chrono::microseconds time{100}; !was_at_gate; time *= 2) {
    Gate gate;
    const array a = build(gate.pass());
    const auto deadline = std::chrono::steady_clock::now() + time;
    EXPECT_THROW(eval({a}, {.deadline = deadline}), DeadlineError);
    was_at_gate = gate.was_reached_before(deadline);
    EXPECT_THROW(a.wait(), DeadlineError);
    EXPECT_EQ(a.failure()->kind, FailureKind::deadline);
    gate.open();
    retry({a});
    EXPECT_TRUE(is_right(a));
  }
}

// All streams are idle afterwards, and nobody's failure is pending on them.
inline void settle_everything() {
  for (Stream stream : get_streams()) {
    try {
      synchronize(stream);
    } catch (const EvalError&) {
      // Only the draining is wanted.
    }
  }
}

// A stream may be busy a moment longer than the last array that it settles. A task that is never
// over is the watchdog's.
inline void wait_until_idle() {
  while (scheduler::n_active_tasks() > 0) std::this_thread::yield();
}

// Collects unobserved failures while it lives.
class UnobservedFailures {
 public:
  UnobservedFailures()
      : previous_(set_unobserved_failure_handler([this](const Failure& failure) {
          std::lock_guard lock(mutex_);
          messages_.push_back(failure.message);
        })) {}
  ~UnobservedFailures() { set_unobserved_failure_handler(previous_); }
  UnobservedFailures(const UnobservedFailures&) = delete;
  UnobservedFailures& operator=(const UnobservedFailures&) = delete;

  std::vector<std::string> messages() const {
    std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
  const UnobservedFailureHandler previous_;
};

}  // namespace tarn::contract
