// Calls on files: see Kind::system_call.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "tests/faults/counted_calls.h"

namespace tarn::faults {
namespace {

bool system_call_fails() noexcept {
  if (!calls_of(Kind::system_call).next_fails()) return false;
  errno = EIO;
  return true;
}

}  // namespace
}  // namespace tarn::faults

namespace faults = tarn::faults;

// Stands in front of a call on files that returns -1 when it fails.
#define TARN_FAULTY_CALL(Result, name, parameters, arguments)                    \
  Result name parameters {                                                       \
    static auto* const real = faults::next_definition<Result parameters>(#name); \
    return faults::system_call_fails() ? Result(-1) : real arguments;            \
  }

extern "C" {

int open(const char* path, int flags, ...) {
  static auto* const real = faults::next_definition<int(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::system_call_fails() ? -1 : real(path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...) {
  static auto* const real = faults::next_definition<int(int, const char*, int, ...)>("openat");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::system_call_fails() ? -1 : real(directory, path, flags, mode);
}

TARN_FAULTY_CALL(ssize_t, read, (int fd, void* data, size_t n), (fd, data, n))
TARN_FAULTY_CALL(ssize_t, pread, (int fd, void* data, size_t n, off_t offset),
                 (fd, data, n, offset))
TARN_FAULTY_CALL(ssize_t, preadv, (int fd, const iovec* parts, int n, off_t offset),
                 (fd, parts, n, offset))
TARN_FAULTY_CALL(ssize_t, pwrite, (int fd, const void* data, size_t n, off_t offset),
                 (fd, data, n, offset))
TARN_FAULTY_CALL(int, fallocate, (int fd, int mode, off_t offset, off_t n), (fd, mode, offset, n))
TARN_FAULTY_CALL(int, fsync, (int fd), (fd))

int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  static auto* const real =
      faults::next_definition<int(int, const char*, int, const char*)>("renameat");
  return faults::system_call_fails() ? -1 : real(from_directory, from, to_directory, to);
}

}  // extern "C"
