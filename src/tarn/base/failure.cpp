#include "tarn/base/failure.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>

namespace tarn {

const char* failure_kind_name(FailureKind kind) {
  switch (kind) {
    case FailureKind::operation:
      return "operation";
    case FailureKind::io:
      return "io";
    case FailureKind::out_of_memory:
      return "out_of_memory";
    case FailureKind::numerical:
      return "numerical";
    case FailureKind::index:
      return "index";
    case FailureKind::cancelled:
      return "cancelled";
    case FailureKind::deadline:
      return "deadline";
    case FailureKind::abandoned:
      return "abandoned";
    case FailureKind::device_lost:
      return "device_lost";
    case FailureKind::peer:
      return "peer";
  }
  return "unknown";
}

std::string Failure::describe() const {
  std::string line;
  auto out = std::back_inserter(line);
  // Messages of operations carry their own "[op]"; anything else gets it here.
  if (message.starts_with('[') || op.empty()) {
    line = message;
  } else {
    fmt::format_to(out, "[{}] {}", op, message);
  }
  std::string details;
  auto add = [&](const char* name, const auto& value) {
    fmt::format_to(std::back_inserter(details), "{}{} {}", details.empty() ? "" : ", ", name,
                   value);
  };
  auto is_said = [&](const std::string& text) { return line.find(text) != std::string::npos; };
  if (!path.empty() && !is_said(path)) add("file", path);
  if (!tensor.empty() && !is_said(tensor)) add("tensor", tensor);
  if (offset >= 0) add("offset", offset);
  if (wanted >= 0) add("wanted", wanted);
  if (got >= 0) add("got", got);
  if (error_number != 0) add("errno", fmt::format("{} {}", error_number, strerror(error_number)));
  if (!origin.empty()) add("built at", origin);
  if (!details.empty()) fmt::format_to(out, " ({})", details);
  return line;
}

OperationError::OperationError(FailureKind kind, const std::string& message, IoDetails io)
    : std::runtime_error(message),
      kind_(kind),
      io_(std::make_shared<const IoDetails>(std::move(io))) {}

namespace {

// Made while nothing is being handled, so that it nests nothing.
const std::nested_exception kNothingNested;

// What std::throw_with_nested would nest, while `exception` is being handled rather than whatever
// the caller is handling.
std::nested_exception nesting(const std::exception_ptr& exception) noexcept {
  if (!exception) return kNothingNested;
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    return std::nested_exception();
  }
}

}  // namespace

EvalError::EvalError(FailurePtr failure, std::string_view place,
                     std::span<const FailurePtr> others) noexcept
    : std::runtime_error(""),
      std::nested_exception(nesting(failure->exception)),
      failure_(std::move(failure)) {
  failure_->mark_observed();
  for (const FailurePtr& other : others) other->mark_observed();
  try {
    auto text = std::make_shared<Text>();
    text->what = failure_->describe();
    if (!place.empty()) text->what += fmt::format(", needed by {}", place);
    if (!others.empty()) text->what += fmt::format(" (and {} other failures)", others.size());
    text->others.assign(others.begin(), others.end());
    text_ = std::move(text);
  } catch (const std::bad_alloc&) {
    // The record itself still says what happened; only the composed line is lost.
  }
}

const char* EvalError::what() const noexcept {
  return text_ ? text_->what.c_str() : failure_->message.c_str();
}

std::span<const FailurePtr> EvalError::others() const noexcept {
  return text_ ? std::span<const FailurePtr>(text_->others) : std::span<const FailurePtr>();
}

void throw_failure(const FailurePtr& failure, std::string_view place,
                   std::span<const FailurePtr> others) {
  switch (failure->kind) {
    case FailureKind::io:
      throw IoError(failure, place, others);
    case FailureKind::out_of_memory:
      throw OutOfMemoryError(failure, place, others);
    case FailureKind::numerical:
      throw NumericalError(failure, place, others);
    case FailureKind::index:
      throw IndexError(failure, place, others);
    case FailureKind::cancelled:
      throw CancelledError(failure, place, others);
    case FailureKind::deadline:
      throw DeadlineError(failure, place, others);
    case FailureKind::abandoned:
      throw AbandonedError(failure, place, others);
    case FailureKind::device_lost:
      throw DeviceLostError(failure, place, others);
    case FailureKind::peer:
      throw PeerError(failure, place, others);
    case FailureKind::operation:
      break;
  }
  throw EvalError(failure, place, others);
}

}  // namespace tarn
