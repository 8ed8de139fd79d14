// Reading one tensor's bytes into memory, on several threads where the reader allows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "tarn/io/reader.h"

namespace tarn::io {

// From the page cache, two threads read at full speed with anything from 512 KiB to 4 MiB; smaller
// chunks notice a stop request and move a progress bar sooner.
inline constexpr size_t kReadChunkNbytes = size_t{1} << 20;

struct ReadOptions {
  std::string tensor;  // named in errors
  // When the range is a part of something larger: where that is, so that errors speak of it.
  std::optional<uint64_t> whole_offset;
  uint64_t whole_nbytes = 0;
  std::stop_token stop;  // looked at before each chunk and after each partial read
  size_t chunk_nbytes = kReadChunkNbytes;
  // Called with the number of bytes that have just arrived, from several threads at once.
  std::function<void(size_t)> on_bytes;
};

// Fills data[0, nbytes) with the bytes of `reader` from `offset`. When it returns or throws, no
// thread touches `data` any more.
//
// Throws OperationError; if several chunks fail, the error of the lowest, whatever the timing:
//  - io when the source ends early or reading fails. Its details speak of the whole range, or of
//    what it is a part of: `offset` and `wanted`, and as `got` the bytes before what failed. What
//    Reader::read_at threw is nested in it. A failure of another kind thrown there keeps its kind,
//    and std::bad_alloc is out_of_memory.
//  - cancelled when a stop was requested before the chunk was read.
void parallel_read(Reader& reader, char* data, size_t nbytes, uint64_t offset,
                   const ReadOptions& options = {});

}  // namespace tarn::io
