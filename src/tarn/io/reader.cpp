#include "tarn/io/reader.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "tarn/io/io_error.h"

namespace tarn::io {

namespace {

IoDetails range_details(const std::string& path, uint64_t offset, size_t wanted) {
  return {.path = path,
          .tensor = {},
          .offset = static_cast<int64_t>(offset),
          .wanted = static_cast<int64_t>(wanted),
          .got = -1,
          .error_number = 0};
}

}  // namespace

size_t Reader::read_at(char* data, size_t n, size_t offset) {
  const std::lock_guard lock(one_read_at_a_time_);
  read(data, n, offset);
  if (!good()) {
    throw io_error("read", fmt::format("the reader failed at offset {}", offset),
                   range_details(label(), offset, n));
  }
  return n;
}

ParallelFileReader::ParallelFileReader(std::string file_path)
    : ParallelFileReader(std::move(file_path), system_calls()) {}

ParallelFileReader::ParallelFileReader(std::string file_path, SystemCalls& calls)
    : path_(std::move(file_path)), calls_(&calls) {
  // A pipe cannot be read at offsets; without O_NONBLOCK, opening it would wait for a writer first.
  file_ = open_file(path_, O_RDONLY | O_NONBLOCK, calls, &error_number_);
  if (!file_.is_open()) return;
  // A directory opens like a file and refuses every read; better to say so now.
  struct stat status;
  if (calls.fstat(file_.get(), &status) != 0) {
    error_number_ = errno;
  } else if (S_ISDIR(status.st_mode)) {
    error_number_ = EISDIR;
  }
  if (error_number_ != 0) file_.close();
}

void ParallelFileReader::require_open() const {
  if (is_open()) return;
  IoDetails details;
  details.path = path_;
  details.error_number = error_number_;
  throw io_error("load", "cannot open the file", std::move(details));
}

void ParallelFileReader::seek(int64_t off, std::ios_base::seekdir way) {
  require_open();
  int64_t base = 0;
  if (way == std::ios_base::cur) base = static_cast<int64_t>(cursor_);
  if (way == std::ios_base::end) base = static_cast<int64_t>(size().value_or(0));
  int64_t target = 0;
  if (__builtin_add_overflow(base, off, &target) || target < 0) {
    throw io_error("read", fmt::format("cannot seek by {} bytes from byte {}", off, base),
                   range_details(path_, 0, 0));
  }
  cursor_ = static_cast<uint64_t>(target);
}

void ParallelFileReader::read(char* data, size_t n) {
  read(data, n, cursor_);
  cursor_ += n;
}

void ParallelFileReader::read(char* data, size_t n, size_t offset) {
  const size_t got = read_at(data, n, offset);
  if (got == n) return;
  IoDetails details = range_details(path_, offset, n);
  details.got = static_cast<int64_t>(got);
  throw io_error("read",
                 fmt::format("the file ends at byte {}: wanted {} bytes from offset {}, got {}",
                             offset + got, n, offset, got),
                 std::move(details));
}

size_t ParallelFileReader::read_at(char* data, size_t n, size_t offset) {
  require_open();
  const Transfer transfer = file_.read_at(data, n, offset);
  if (transfer.error_number == 0) return transfer.nbytes;
  IoDetails details = range_details(path_, offset, n);
  details.got = static_cast<int64_t>(transfer.nbytes);
  details.error_number = transfer.error_number;
  throw io_error("read", fmt::format("cannot read at byte {}", offset + transfer.nbytes),
                 std::move(details));
}

std::optional<uint64_t> ParallelFileReader::size() {
  struct stat status;
  if (!is_open() || calls_->fstat(file_.get(), &status) != 0) return std::nullopt;
  // A pipe or a device says 0, which is not how much can be read from it.
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(status.st_size);
}

}  // namespace tarn::io
