// An open file: owns the descriptor, retries interrupted and partial calls. It knows neither paths
// nor exceptions; who calls it says which file it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tarn/io/system_calls.h"

namespace tarn::io {

// How far a transfer came and, when a call failed, the errno it failed with.
struct Transfer {
  size_t nbytes = 0;
  int error_number = 0;
};

// Owns one descriptor, or none. The positional functions may be called from several threads at
// once, the others not.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  FileDescriptor(int fd, SystemCalls& calls) noexcept : fd_(fd), calls_(&calls) {}
  // A failed close cannot be reported from here: whoever has to know calls close() first.
  ~FileDescriptor() { close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()), calls_(other.calls_) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  bool is_open() const noexcept { return fd_ >= 0; }
  int get() const noexcept { return fd_; }
  int release() noexcept;

  // Stops early at the end of the file (error_number 0) or at an error.
  Transfer read_at(char* data, size_t nbytes, uint64_t offset) const noexcept;
  Transfer write_at(const char* data, size_t nbytes, uint64_t offset) noexcept;
  Transfer write(const char* data, size_t nbytes) noexcept;

  // 0, or the errno.
  int sync() noexcept;
  int close() noexcept;

 private:
  int fd_ = -1;
  SystemCalls* calls_ = nullptr;
};

// Opens with O_CLOEXEC, again when interrupted. Returns the errno in error_number when it fails.
FileDescriptor open_file(const std::string& path, int flags, SystemCalls& calls, int* error_number);

}  // namespace tarn::io
