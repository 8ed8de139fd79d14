// The system calls that files are read and written with, as virtual functions, so that a test can
// make any one of them fail, be interrupted or come up short. Nothing here retries or throws.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>

namespace tarn::io {

// Each function is the POSIX or Linux call of its name: on failure it returns -1 and sets errno.
// Thread-safe: it has no state.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;

  virtual int open(const char* path, int flags, mode_t mode);
  virtual int openat(int directory, const char* name, int flags, mode_t mode);
  virtual int close(int fd);
  virtual int fstat(int fd, struct stat* status);
  virtual int fstatat(int directory, const char* name, struct stat* status);
  virtual int fchmod(int fd, mode_t mode);
  virtual off_t lseek(int fd, off_t offset, int whence);
  virtual ssize_t pread(int fd, void* data, size_t nbytes, off_t offset);
  virtual ssize_t write(int fd, const void* data, size_t nbytes);
  virtual ssize_t pwrite(int fd, const void* data, size_t nbytes, off_t offset);
  virtual int fallocate(int fd, off_t offset, off_t nbytes);
  // sync_file_range that only starts writing.
  virtual int start_writeback(int fd, off_t offset, off_t nbytes);
  virtual int fsync(int fd);
  virtual int renameat(int directory, const char* from, const char* to);
  virtual int unlinkat(int directory, const char* name);
};

// The real ones.
SystemCalls& system_calls() noexcept;

}  // namespace tarn::io
