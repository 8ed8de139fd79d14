// How failure records come to be, also without memory, and what becomes of those that nobody looks
// at.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string_view>
#include <vector>

#include "tarn/base/failure.h"

namespace tarn {

// Which node failed, for the record.
struct FailureSite {
  std::string_view op;
  uint64_t node = 0;  // creation number
  Stream stream{0, Device::cpu};
  std::vector<InputSpec> inputs = {};
  std::string_view origin = {};
};

// Makes the record of what was thrown; its kind is that of an OperationError or EvalError, or
// follows from the type. Never fails: without memory the record comes from a reserve and may lack
// texts and inputs.
//
// The pointer is a node's: when the last copy of it dies and nobody has observed the failure, the
// unobserved-failure handler gets it.
FailurePtr record_failure(std::exception_ptr thrown, const FailureSite& site) noexcept;

// The same for a failure that no exception stands for, or one that is only its cause.
FailurePtr record_failure(FailureKind kind, std::string_view message, const FailureSite& site,
                          std::exception_ptr cause = nullptr) noexcept;

// The record alone: a copy that does not count as a node's. For logs.
FailurePtr plain_record(const FailurePtr& failure) noexcept;

using UnobservedFailureHandler = std::function<void(const Failure&)>;

// Called, on the thread where it happens, for each failure that nobody waited for, read or asked
// about: when its last array dies, or at exit. What the handler throws is dropped. A null handler
// restores the default: one line on stderr. Returns the previous handler, null for the default.
UnobservedFailureHandler set_unobserved_failure_handler(UnobservedFailureHandler handler);

// How many failures went unobserved so far.
uint64_t unobserved_failure_count();

// Hands to the handler all unobserved failures whose arrays are still alive. For the end of the
// process.
void flush_unobserved_failures() noexcept;

}  // namespace tarn
