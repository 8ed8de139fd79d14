#include "tarn/io/header_bytes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "tarn/io/io_error.h"

namespace tarn::io {

uint64_t decode_little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

void append_little_endian(std::string& bytes, uint64_t value, size_t nbytes) {
  for (size_t i = 0; i < nbytes; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

std::optional<uint64_t> tensor_size(std::span<const int64_t> shape, int64_t element_size) {
  int64_t product = element_size;
  bool is_empty = false;
  for (const int64_t dim : shape) {
    if (dim == 0) {
      is_empty = true;
    } else if (__builtin_mul_overflow(product, dim, &product)) {
      return std::nullopt;
    }
  }
  return is_empty ? 0 : static_cast<uint64_t>(product);
}

std::optional<uint64_t> tensor_nbytes(std::span<const int64_t> shape, Dtype dtype) {
  return tensor_size(shape, static_cast<int64_t>(dtype.size()));
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("({})", fmt::join(shape, ","));
}

void append_from(Reader& reader, std::string& bytes, size_t nbytes, std::string_view op) {
  constexpr size_t kStep = size_t{1} << 20;
  while (nbytes > 0) {
    const size_t n = std::min(nbytes, kStep);
    const size_t old = bytes.size();
    bytes.resize(old + n);
    reader.read(bytes.data() + old, n);
    if (!reader.good()) {
      IoDetails details;
      details.path = reader.label();
      details.offset = static_cast<int64_t>(old);
      details.wanted = static_cast<int64_t>(nbytes);
      throw io_error(op, "cannot read the header", std::move(details));
    }
    nbytes -= n;
  }
}

}  // namespace tarn::io
