#include "tarn/io/writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tarn/io/io_error.h"

namespace tarn::io {

FileWriter::FileWriter(std::string file_path) : FileWriter(std::move(file_path), system_calls()) {}

FileWriter::FileWriter(std::string file_path, SystemCalls& calls)
    : path_(std::move(file_path)), calls_(&calls) {
  file_ = open_file(path_, O_WRONLY | O_CREAT | O_TRUNC, calls, &error_number_);
}

void FileWriter::fail(const char* what, int error_number) {
  error_number_ = error_number;
  IoDetails details;
  details.path = path_;
  details.offset = static_cast<int64_t>(cursor_);
  details.error_number = error_number;
  throw io_error("save", what, std::move(details));
}

void FileWriter::seek(int64_t off, std::ios_base::seekdir way) {
  if (!is_open()) fail("the file is not open", error_number_);
  const int whence = way == std::ios_base::beg   ? SEEK_SET
                     : way == std::ios_base::cur ? SEEK_CUR
                                                 : SEEK_END;
  const off_t position = calls_->lseek(file_.get(), off, whence);
  if (position < 0) fail("cannot seek", errno);
  cursor_ = static_cast<uint64_t>(position);
}

void FileWriter::write(const char* data, size_t n) {
  if (!is_open()) fail("the file is not open", error_number_);
  const Transfer transfer = file_.write(data, n);
  cursor_ += transfer.nbytes;
  if (transfer.nbytes == n) return;
  fail("cannot write", transfer.error_number != 0 ? transfer.error_number : EIO);
}

void FileWriter::close() {
  const int error_number = file_.close();
  if (error_number != 0) fail("cannot close the file", error_number);
}

}  // namespace tarn::io
