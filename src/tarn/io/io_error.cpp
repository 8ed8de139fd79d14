#include "tarn/io/io_error.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

namespace tarn::io {

OperationError io_error(std::string_view op, std::string_view text, IoDetails details) {
  std::string message = fmt::format("[{}] ", op);
  if (!details.path.empty()) message += details.path + ": ";
  if (!details.tensor.empty()) message += fmt::format("tensor \"{}\": ", details.tensor);
  message += text;
  if (details.error_number != 0) {
    // Not strerror: threads that fail together would share its buffer.
    message += ": " + std::generic_category().message(details.error_number);
  }
  // A zero byte, of a path or a name, would end what what() gives.
  for (size_t zero = 0; (zero = message.find('\0', zero)) != message.npos;) {
    message.replace(zero, 1, "\\0");
  }
  return OperationError(FailureKind::io, message, std::move(details));
}

}  // namespace tarn::io
