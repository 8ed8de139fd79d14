// Where bytes go: the interface that users implement, and files written in place.
// io/atomic_file.h has the file that replaces another only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ios>
#include <string>

#include "tarn/io/file_descriptor.h"

namespace tarn::io {

// A sink of bytes with a cursor; MLX's interface. Used by one thread at a time.
class Writer {
 public:
  virtual ~Writer() = default;

  virtual bool is_open() const = 0;
  virtual bool good() const = 0;
  virtual size_t tell() = 0;
  virtual void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) = 0;
  // Writes all `n` bytes at the cursor and moves it behind them, or throws, or turns good() false.
  virtual void write(const char* data, size_t n) = 0;
  virtual std::string label() const = 0;
};

// A file, emptied when it is opened and written in place; pipes and devices work too. Opening does
// not throw: is_open() tells, and writing to a file that is not open throws with the reason why.
class FileWriter : public Writer {
 public:
  explicit FileWriter() = default;
  explicit FileWriter(std::string file_path);
  FileWriter(std::string file_path, SystemCalls& calls);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  FileWriter(FileWriter&& other) = default;

  bool is_open() const override { return file_.is_open(); }
  bool good() const override { return is_open() && error_number_ == 0; }
  size_t tell() override { return cursor_; }
  void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) override;
  void write(const char* data, size_t n) override;
  std::string label() const override { return path_; }

  // Closes the file. Throws if the system reports now that something was not written. The
  // destructor closes as well, but cannot tell.
  void close();

 private:
  [[noreturn]] void fail(const char* what, int error_number);

  std::string path_;
  SystemCalls* calls_ = nullptr;
  int error_number_ = 0;
  FileDescriptor file_;
  uint64_t cursor_ = 0;
};

}  // namespace tarn::io
