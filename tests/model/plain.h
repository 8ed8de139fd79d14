// A variable that is not synchronized by itself. Each access is checked for a data race; none is a
// scheduling point.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "execution.h"

namespace tarn::model {

// Who accessed one variable, as far as it matters for the next access: all reads since the last
// write, and that write.
//
// Every execution order of the operations that synchronize is explored, and two accesses that they
// leave unordered are a race in each execution that has them. So it suffices to look, and plain
// accesses add no executions.
class AccessLog {
 public:
  void read() {
    if (!Execution::is_on_virtual_thread()) return;
    Execution& execution = Execution::current();
    const VectorClock& knowledge = execution.knowledge();
    int self = execution.running();
    if (!knows_write(knowledge)) report(execution, "reads", writer_, "wrote");
    reads_.time[self] = knowledge.time[self];
  }

  void write() {
    if (!Execution::is_on_virtual_thread()) return;
    Execution& execution = Execution::current();
    const VectorClock& knowledge = execution.knowledge();
    int self = execution.running();
    if (!knows_write(knowledge)) report(execution, "writes", writer_, "wrote");
    for (int i = 0; i < kMaxThreads; ++i) {
      if (reads_.time[i] > knowledge.time[i]) report(execution, "writes", i, "read");
    }
    writer_ = self;
    write_time_ = knowledge.time[self];
    reads_ = {};
  }

 private:
  bool knows_write(const VectorClock& knowledge) const {
    return writer_ == kNoThread || knowledge.time[writer_] >= write_time_;
  }

  [[noreturn]] static void report(Execution& execution, const char* does, int other,
                                  const char* did) {
    execution.fail("data race: thread " + std::to_string(execution.running()) + ' ' + does +
                   " what thread " + std::to_string(other) + ' ' + did);
  }

  int writer_ = kNoThread;
  uint16_t write_time_ = 0;
  VectorClock reads_;
};

template <class T>
class Plain {
 public:
  Plain() = default;
  Plain(T value) : value_(std::move(value)) { log_.write(); }  // NOLINT: stands for a T
  Plain(const Plain& other) : Plain(other.get()) {}
  Plain& operator=(const Plain& other) {
    ref() = other.get();
    return *this;
  }
  Plain& operator=(T value) {
    ref() = std::move(value);
    return *this;
  }

  const T& get() const {
    log_.read();
    return value_;
  }
  operator const T&() const { return get(); }  // NOLINT: stands for a T
  const T& operator->() const { return get(); }

  // Counts as a write, now: do not keep the reference across an operation of another object.
  T& ref() {
    log_.write();
    return value_;
  }

  Plain& operator+=(const T& by) { return *this = static_cast<T>(get() + by); }
  Plain& operator-=(const T& by) { return *this = static_cast<T>(get() - by); }
  Plain& operator++() { return *this += T{1}; }
  Plain& operator--() { return *this -= T{1}; }

 private:
  T value_{};
  mutable AccessLog log_;
};

}  // namespace tarn::model
