// System calls that fail on request, and what else tests of files need.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/io/system_calls.h"

namespace tarn::io {

// A directory that is removed with all its files.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tarn-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  std::string path() const { return path_.string(); }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good()) << path;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Bytes that differ from their neighbours and from page to page.
inline std::string pattern_bytes(size_t nbytes) {
  std::string bytes(nbytes, '\0');
  for (size_t i = 0; i < nbytes; ++i) {
    bytes[i] = static_cast<char>((i * 2654435761u) >> 11 & 0xff);
  }
  return bytes;
}

// The real calls, except that call number `fail_at` (from 0, over all kinds) fails with `error`,
// and with `from_then_on` every later one. Thread-safe once set up.
class FaultySystemCalls : public SystemCalls {
 public:
  static constexpr size_t kNever = static_cast<size_t>(-1);
  size_t fail_at = kNever;
  bool from_then_on = false;
  int error = EIO;
  std::string only;                    // if set, other calls are neither counted nor failed
  size_t max_transfer = kNever;        // bytes that one call reads or writes at most
  bool interrupt_every_other = false;  // a transfer, open or fsync first fails with EINTR

  size_t n_calls() const { return n_calls_; }
  const std::string& failed_call() const { return failed_call_; }
  int n_open() const { return n_open_; }

  int open(const char* path, int flags, mode_t mode) override {
    if (fails("open") || interrupts()) return -1;
    return opened(SystemCalls::open(path, flags, mode));
  }
  int openat(int directory, const char* name, int flags, mode_t mode) override {
    if (fails("openat") || interrupts()) return -1;
    return opened(SystemCalls::openat(directory, name, flags, mode));
  }
  int close(int fd) override {
    // As Linux does, it closes even when it reports an error.
    --n_open_;
    const int result = SystemCalls::close(fd);
    return fails("close") ? -1 : result;
  }
  int fstat(int fd, struct stat* status) override {
    return fails("fstat") ? -1 : SystemCalls::fstat(fd, status);
  }
  int fstatat(int directory, const char* name, struct stat* status) override {
    return fails("fstatat") ? -1 : SystemCalls::fstatat(directory, name, status);
  }
  int fchmod(int fd, mode_t mode) override {
    return fails("fchmod") ? -1 : SystemCalls::fchmod(fd, mode);
  }
  off_t lseek(int fd, off_t offset, int whence) override {
    return fails("lseek") ? -1 : SystemCalls::lseek(fd, offset, whence);
  }
  ssize_t pread(int fd, void* data, size_t nbytes, off_t offset) override {
    if (fails("pread") || interrupts()) return -1;
    return SystemCalls::pread(fd, data, std::min(nbytes, max_transfer), offset);
  }
  ssize_t write(int fd, const void* data, size_t nbytes) override {
    if (fails("write") || interrupts()) return -1;
    return SystemCalls::write(fd, data, std::min(nbytes, max_transfer));
  }
  ssize_t pwrite(int fd, const void* data, size_t nbytes, off_t offset) override {
    if (fails("pwrite") || interrupts()) return -1;
    return SystemCalls::pwrite(fd, data, std::min(nbytes, max_transfer), offset);
  }
  int fallocate(int fd, off_t offset, off_t nbytes) override {
    return fails("fallocate") ? -1 : SystemCalls::fallocate(fd, offset, nbytes);
  }
  int start_writeback(int fd, off_t offset, off_t nbytes) override {
    return fails("start_writeback") ? -1 : SystemCalls::start_writeback(fd, offset, nbytes);
  }
  int fsync(int fd) override {
    if (fails("fsync") || interrupts()) return -1;
    return SystemCalls::fsync(fd);
  }
  int renameat(int directory, const char* from, const char* to) override {
    return fails("renameat") ? -1 : SystemCalls::renameat(directory, from, to);
  }
  int unlinkat(int directory, const char* name) override {
    return fails("unlinkat") ? -1 : SystemCalls::unlinkat(directory, name);
  }

 private:
  bool fails(const char* name) {
    if (!only.empty() && only != name) return false;
    const size_t call = n_calls_++;
    if (call != fail_at && !(from_then_on && call > fail_at)) return false;
    if (call == fail_at) failed_call_ = name;
    errno = error;
    return true;
  }
  bool interrupts() {
    if (!interrupt_every_other || n_interruptible_++ % 2 != 0) return false;
    errno = EINTR;
    return true;
  }
  int opened(int fd) {
    if (fd >= 0) ++n_open_;
    return fd;
  }

  std::atomic<size_t> n_calls_{0};
  std::atomic<size_t> n_interruptible_{0};
  std::atomic<int> n_open_{0};
  std::string failed_call_;
};

}  // namespace tarn::io
