#include "tarn/io/parallel_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "tarn/io/chunks.h"
#include "tarn/io/io_error.h"

namespace tarn::io {

namespace {

// The range that is read, and what to say when it cannot be.
class RangeRead {
 public:
  RangeRead(Reader& reader, char* data, size_t nbytes, uint64_t offset, const ReadOptions& options)
      : reader_(reader), data_(data), nbytes_(nbytes), offset_(offset), options_(options) {}

  // Reads [begin, end), counted from the start of the range.
  void read(size_t begin, size_t end) {
    size_t done = begin;
    while (done < end) {
      if (options_.stop.stop_requested()) throw_cancelled(done);
      const size_t got = read_some(done, end - done);
      if (got == 0) throw_ended(done);
      if (options_.on_bytes) options_.on_bytes(got);
      done += got;
    }
  }

 private:
  size_t read_some(size_t done, size_t n) {
    size_t got = 0;
    try {
      got = reader_.read_at(data_ + done, n, offset_ + done);
    } catch (...) {
      throw_failed(done);
    }
    if (got > n) {
      throw io_error("read",
                     fmt::format("the reader was asked for {} bytes and says it read {}", n, got),
                     details(done));
    }
    return got;
  }

  IoDetails details(size_t done) const {
    const bool is_part = options_.whole_offset.has_value();
    const uint64_t begin = options_.whole_offset.value_or(offset_);
    return {.path = reader_.label(),
            .tensor = options_.tensor,
            .offset = static_cast<int64_t>(begin),
            .wanted = static_cast<int64_t>(is_part ? options_.whole_nbytes : nbytes_),
            .got = static_cast<int64_t>(offset_ + done - begin),
            .error_number = 0};
  }

  [[noreturn]] void throw_cancelled(size_t done) const {
    throw OperationError(FailureKind::cancelled, "[read] cancelled", details(done));
  }

  [[noreturn]] void throw_ended(size_t done) const {
    IoDetails place = details(done);
    // This range, or all of the tensor, may lie behind the end.
    const uint64_t tried = offset_ + done;
    const uint64_t end = std::min(reader_.size().value_or(tried), tried);
    place.got = std::max<int64_t>(static_cast<int64_t>(end) - place.offset, 0);
    const std::string text =
        fmt::format("the file ends at byte {}: wanted {} bytes from offset {}, got {}", end,
                    place.wanted, place.offset, place.got);
    throw io_error("read", text, std::move(place));
  }

  // Requires: an exception of the reader is being handled.
  [[noreturn]] void throw_failed(size_t done) const {
    IoDetails place = details(done);
    try {
      throw;
    } catch (const OperationError& error) {
      place.error_number = error.io().error_number;
      if (error.io().got > 0) place.got += error.io().got;
      std::throw_with_nested(OperationError(error.kind(), error.what(), std::move(place)));
    } catch (const std::system_error& error) {
      if (error.code().category() == std::generic_category() ||
          error.code().category() == std::system_category()) {
        place.error_number = error.code().value();
      }
      std::throw_with_nested(OperationError(FailureKind::io, error.what(), std::move(place)));
    } catch (const std::bad_alloc& error) {
      std::throw_with_nested(
          OperationError(FailureKind::out_of_memory, error.what(), std::move(place)));
    } catch (const std::exception& error) {
      std::throw_with_nested(OperationError(FailureKind::io, error.what(), std::move(place)));
    } catch (...) {
      std::throw_with_nested(io_error("read", "the reader failed", std::move(place)));
    }
  }

  Reader& reader_;
  char* data_;
  size_t nbytes_;
  uint64_t offset_;
  const ReadOptions& options_;
};

}  // namespace

void parallel_read(Reader& reader, char* data, size_t nbytes, uint64_t offset,
                   const ReadOptions& options) {
  RangeRead range(reader, data, nbytes, offset, options);
  const size_t chunk = std::max<size_t>(options.chunk_nbytes, 1);
  const size_t n_chunks = nbytes / chunk + (nbytes % chunk != 0);
  run_chunks(n_chunks, reader.reads_concurrently(),
             [&](size_t i) { range.read(i * chunk, std::min((i + 1) * chunk, nbytes)); });
}

}  // namespace tarn::io
