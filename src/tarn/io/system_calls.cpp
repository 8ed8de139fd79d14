#include "tarn/io/system_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace tarn::io {

int SystemCalls::open(const char* path, int flags, mode_t mode) {
  return ::open(path, flags, mode);
}
int SystemCalls::openat(int directory, const char* name, int flags, mode_t mode) {
  return ::openat(directory, name, flags, mode);
}
int SystemCalls::close(int fd) { return ::close(fd); }
int SystemCalls::fstat(int fd, struct stat* status) { return ::fstat(fd, status); }
int SystemCalls::fstatat(int directory, const char* name, struct stat* status) {
  return ::fstatat(directory, name, status, 0);
}
int SystemCalls::fchmod(int fd, mode_t mode) { return ::fchmod(fd, mode); }
off_t SystemCalls::lseek(int fd, off_t offset, int whence) { return ::lseek(fd, offset, whence); }
ssize_t SystemCalls::pread(int fd, void* data, size_t nbytes, off_t offset) {
  return ::pread(fd, data, nbytes, offset);
}
ssize_t SystemCalls::write(int fd, const void* data, size_t nbytes) {
  return ::write(fd, data, nbytes);
}
ssize_t SystemCalls::pwrite(int fd, const void* data, size_t nbytes, off_t offset) {
  return ::pwrite(fd, data, nbytes, offset);
}
int SystemCalls::fallocate(int fd, off_t offset, off_t nbytes) {
  return ::fallocate(fd, 0, offset, nbytes);
}
int SystemCalls::start_writeback(int fd, off_t offset, off_t nbytes) {
  return ::sync_file_range(fd, offset, nbytes, SYNC_FILE_RANGE_WRITE);
}
int SystemCalls::fsync(int fd) { return ::fsync(fd); }
int SystemCalls::renameat(int directory, const char* from, const char* to) {
  return ::renameat(directory, from, directory, to);
}
int SystemCalls::unlinkat(int directory, const char* name) {
  return ::unlinkat(directory, name, 0);
}

SystemCalls& system_calls() noexcept {
  static SystemCalls calls;
  return calls;
}

}  // namespace tarn::io
