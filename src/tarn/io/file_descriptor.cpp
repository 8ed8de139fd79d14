#include "tarn/io/file_descriptor.h"

#include <fcntl.h>

#include <cerrno>
#include <limits>
#include <utility>

namespace tarn::io {

namespace {

constexpr mode_t kNewFileMode = 0666;  // less what the umask takes away

// Calls transfer(bytes done so far) until `nbytes` are done, it returns 0, or it fails.
template <class F>
Transfer transfer_all(size_t nbytes, F&& transfer) {
  size_t done = 0;
  while (done < nbytes) {
    const ssize_t count = transfer(done);
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno != EINTR) {
      return {done, errno};
    }
  }
  return {done, 0};
}

// Whether [offset, offset + nbytes) has a meaning as off_t.
bool is_addressable(size_t nbytes, uint64_t offset) {
  constexpr uint64_t kMax = std::numeric_limits<off_t>::max();
  return offset <= kMax && nbytes <= kMax - offset;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
    calls_ = other.calls_;
  }
  return *this;
}

int FileDescriptor::release() noexcept { return std::exchange(fd_, -1); }

Transfer FileDescriptor::read_at(char* data, size_t nbytes, uint64_t offset) const noexcept {
  if (!is_addressable(nbytes, offset)) return {0, EOVERFLOW};
  return transfer_all(nbytes, [&](size_t done) {
    return calls_->pread(fd_, data + done, nbytes - done, static_cast<off_t>(offset + done));
  });
}

Transfer FileDescriptor::write_at(const char* data, size_t nbytes, uint64_t offset) noexcept {
  if (!is_addressable(nbytes, offset)) return {0, EFBIG};
  return transfer_all(nbytes, [&](size_t done) {
    return calls_->pwrite(fd_, data + done, nbytes - done, static_cast<off_t>(offset + done));
  });
}

Transfer FileDescriptor::write(const char* data, size_t nbytes) noexcept {
  return transfer_all(nbytes,
                      [&](size_t done) { return calls_->write(fd_, data + done, nbytes - done); });
}

int FileDescriptor::sync() noexcept {
  while (calls_->fsync(fd_) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int FileDescriptor::close() noexcept {
  if (!is_open()) return 0;
  // Never a second time: after an error, EINTR included, Linux has closed the descriptor already.
  if (calls_->close(release()) != 0 && errno != EINTR) return errno;
  return 0;
}

FileDescriptor open_file(const std::string& path, int flags, SystemCalls& calls,
                         int* error_number) {
  // The system would take what is before a zero byte for the path.
  if (path.find('\0') != path.npos) {
    *error_number = EINVAL;
    return FileDescriptor(-1, calls);
  }
  int fd;
  do {
    fd = calls.open(path.c_str(), flags | O_CLOEXEC, kNewFileMode);
  } while (fd < 0 && errno == EINTR);
  *error_number = fd < 0 ? errno : 0;
  return FileDescriptor(fd, calls);
}

}  // namespace tarn::io
