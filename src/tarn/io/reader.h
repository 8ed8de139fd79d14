// Where bytes come from: the interface that users implement, and files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ios>
#include <mutex>
#include <optional>
#include <string>

#include "tarn/io/file_descriptor.h"

namespace tarn::io {

// A source of bytes with a cursor. The pure functions are MLX's, so that a subclass written for MLX
// works as it is; the others let a subclass say more than those can.
//
// The cursor is used by one thread at a time, to read a header; read_at serves everything else.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual bool is_open() const = 0;
  // False once something went wrong. This is how a subclass without read_at reports an error that
  // it does not throw.
  virtual bool good() const = 0;
  virtual size_t tell() = 0;
  virtual void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) = 0;
  // Reads exactly `n` bytes at the cursor and moves it behind them.
  virtual void read(char* data, size_t n) = 0;
  // Reads exactly `n` bytes that start `offset` bytes into the source.
  virtual void read(char* data, size_t n, size_t offset) = 0;
  virtual std::string label() const = 0;

  // Reads up to `n` bytes that start `offset` bytes into the source, and returns how many it read:
  // they are data[0, count). 0 means that the source ends here; a smaller count alone does not.
  // What lies behind the count in `data` is unspecified. Throws when reading fails; may be called
  // again afterwards, and then reads what is there by then.
  //
  // By default one call of read(data, n, offset) under a lock, which returns `n` or throws: a
  // subclass whose source can end early overrides this.
  virtual size_t read_at(char* data, size_t n, size_t offset);

  // Whether several threads may be inside read_at at once. If not, tensors are read one at a time.
  virtual bool reads_concurrently() const { return false; }

  // How many bytes there are now, if that is known.
  virtual std::optional<uint64_t> size() { return std::nullopt; }

 private:
  std::mutex one_read_at_a_time_;
};

// A file, or a device that can be read at offsets. Positional reads may come from any number of
// threads; the cursor is this object's own and belongs to one thread at a time. Opening does not
// throw: is_open() tells, and reading a file that is not open throws with the reason why.
class ParallelFileReader : public Reader {
 public:
  explicit ParallelFileReader(std::string file_path);
  ParallelFileReader(std::string file_path, SystemCalls& calls);

  bool is_open() const override { return file_.is_open(); }
  bool good() const override { return is_open(); }
  size_t tell() override { return cursor_; }
  void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) override;
  void read(char* data, size_t n) override;
  void read(char* data, size_t n, size_t offset) override;
  std::string label() const override { return path_; }

  size_t read_at(char* data, size_t n, size_t offset) override;
  bool reads_concurrently() const override { return true; }
  std::optional<uint64_t> size() override;

  // Why the file is not open; 0 if it is.
  int error_number() const noexcept { return error_number_; }
  // Throws the error of opening if there was one.
  void require_open() const;

 private:
  std::string path_;
  SystemCalls* calls_;
  int error_number_ = 0;
  FileDescriptor file_;
  uint64_t cursor_ = 0;
};

}  // namespace tarn::io
