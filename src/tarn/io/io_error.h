// How input and output report: one exception that says in words and in fields which file, where in
// it, how much was wanted and how much there was.
#pragma once

#include <string_view>

#include "tarn/base/failure.h"

namespace tarn::io {

// An OperationError of kind io with the message "[op] path: text: strerror", without the parts that
// `details` does not have.
OperationError io_error(std::string_view op, std::string_view text, IoDetails details);

}  // namespace tarn::io
