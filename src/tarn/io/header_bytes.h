// What the headers of all array file formats have in common.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tarn/base/dtype.h"
#include "tarn/io/reader.h"

namespace tarn::io {

// No byte of a file lies behind this one.
inline constexpr uint64_t kMaxFileOffset = std::numeric_limits<int64_t>::max();

uint64_t decode_little_endian(std::string_view bytes);
void append_little_endian(std::string& bytes, uint64_t value, size_t nbytes);

// The size of a tensor whose elements have `element_size`, in bytes or bits. Nothing if the
// product, dimensions of 0 not counted, is past 2^63 - 1: such a shape has no strides even when it
// is empty. Requires: no dimension is negative.
std::optional<uint64_t> tensor_size(std::span<const int64_t> shape, int64_t element_size);
std::optional<uint64_t> tensor_nbytes(std::span<const int64_t> shape, Dtype dtype);

// "(2,3)"
std::string shape_text(std::span<const int64_t> shape);

// Reads `nbytes` at the cursor and appends them, in steps, so that memory is taken only for bytes
// that exist even if the header lies about its length. `op` is for messages.
void append_from(Reader& reader, std::string& bytes, size_t nbytes, std::string_view op);

}  // namespace tarn::io
