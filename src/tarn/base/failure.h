// What went wrong with a node: the immutable record, and the exceptions that carry it to whoever
// waits. How records are made without fail, and reported when nobody looks, is in
// runtime/record_failure.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/base/device.h"
#include "tarn/base/dtype.h"
#include "tarn/base/shape.h"

namespace tarn {

enum class FailureKind : uint8_t {
  operation,      // the operation threw an exception of no kind below
  io,             // a file or reader: open, read, short read
  out_of_memory,  // host or device memory, or the byte limit
  numerical,      // singular, not positive definite, no convergence
  index,          // an index outside its axis
  cancelled,      // somebody asked for it to stop
  deadline,       // its deadline passed first
  abandoned,      // whoever owed the settlement went away
  device_lost,    // the device's memory and queues are gone
  peer,           // another rank of a collective
};
const char* failure_kind_name(FailureKind kind);

// Where and how a read or write fell short. Offsets and counts in bytes; -1 means unknown.
struct IoDetails {
  std::string path;
  std::string tensor;
  int64_t offset = -1;
  int64_t wanted = -1;
  int64_t got = -1;
  int error_number = 0;  // errno, 0 when the system reported none
};

struct InputSpec {
  Shape shape;
  Dtype dtype;
};

// Immutable once published, shared by pointer between the node that failed first (the root) and all
// that depend on it.
struct Failure : IoDetails, std::enable_shared_from_this<Failure> {
  FailureKind kind = FailureKind::operation;
  std::string message;
  std::string op;     // name of the root's operation
  uint64_t node = 0;  // creation number of the root
  Stream stream{0, Device::cpu};
  Device device{Device::cpu};
  std::vector<InputSpec> inputs;
  std::exception_ptr exception;  // what was thrown, of whatever type; null when nothing was
  std::string origin;  // where the program built the root; empty unless origin tracking is on

  // One line: "[op] message (path …, offset …)".
  std::string describe() const;

  // Whether some waiter, report or caller has been given this failure.
  bool observed() const noexcept { return observed_.load(std::memory_order_acquire); }
  void mark_observed() const noexcept { observed_.store(true, std::memory_order_release); }
  // True for the first caller only.
  bool claim_observation() const noexcept {
    return !observed_.exchange(true, std::memory_order_acq_rel);
  }

 private:
  mutable std::atomic<bool> observed_{false};
};

using FailurePtr = std::shared_ptr<const Failure>;

// Thrown by the body of an operation, a kernel or a reader to say what kind of failure it is.
class OperationError : public std::runtime_error {
 public:
  OperationError(FailureKind kind, const std::string& message, IoDetails io = {});

  FailureKind kind() const noexcept { return kind_; }
  const IoDetails& io() const noexcept { return *io_; }

 private:
  FailureKind kind_;
  std::shared_ptr<const IoDetails> io_;  // shared, so that copying the exception cannot throw
};

// Thrown to whoever waits for or reads a failed array. What the operation threw is nested in it.
class EvalError : public std::runtime_error, public std::nested_exception {
 public:
  // `place` says which dependent was waited for, empty when it was the root itself. Marks all
  // records observed.
  EvalError(FailurePtr failure, std::string_view place,
            std::span<const FailurePtr> others) noexcept;

  const char* what() const noexcept override;
  // The root that is reported: of the failed input with the lowest position, or of the lowest
  // creation number.
  const FailurePtr& failure() const noexcept { return failure_; }
  // The other roots behind the same wait, by creation number.
  std::span<const FailurePtr> others() const noexcept;

 private:
  struct Text {
    std::string what;
    std::vector<FailurePtr> others;
  };
  FailurePtr failure_;
  std::shared_ptr<const Text> text_;  // null when there was no memory for it
};

// One class per kind that a program may want to catch by type.
struct IoError : EvalError {
  using EvalError::EvalError;
};
struct OutOfMemoryError : EvalError {
  using EvalError::EvalError;
};
struct NumericalError : EvalError {
  using EvalError::EvalError;
};
struct IndexError : EvalError {
  using EvalError::EvalError;
};
struct CancelledError : EvalError {
  using EvalError::EvalError;
};
struct DeadlineError : EvalError {
  using EvalError::EvalError;
};
struct AbandonedError : EvalError {
  using EvalError::EvalError;
};
struct DeviceLostError : EvalError {
  using EvalError::EvalError;
};
struct PeerError : EvalError {
  using EvalError::EvalError;
};

// Throws the EvalError of the record's kind with the record's exception nested in it.
[[noreturn]] void throw_failure(const FailurePtr& failure, std::string_view place = {},
                                std::span<const FailurePtr> others = {});

}  // namespace tarn
