// A file that replaces another only when it is complete, so that a save that fails, for lack of
// space or anything else, leaves what was there before.
#pragma once

#include <cstdint>
#include <string>

#include "tarn/io/writer.h"

namespace tarn::io {

// Writes a temporary file next to `path`; commit() syncs it, renames it over `path` and syncs the
// directory. Destroyed without a successful commit it removes the temporary file, and `path` is as
// it was. A process killed before the commit leaves a file named .tarn-*.tmp behind.
//
// A symbolic link is followed. An existing file keeps its permissions, but not its owner nor its
// hard links; what exists and is not a regular file is refused. Used by one thread at a time.
class AtomicFile final : public Writer {
 public:
  // Throws OperationError (io, with path and errno) if the file cannot be made.
  explicit AtomicFile(std::string path);
  AtomicFile(std::string path, SystemCalls& calls);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  bool is_open() const override { return file_.is_open(); }
  bool good() const override { return is_open() && !failed_; }
  size_t tell() override { return cursor_; }
  void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) override;
  // The disk starts writing while more is still coming.
  void write(const char* data, size_t n) override;
  std::string label() const override { return path_; }

  // Takes the space for a file of `nbytes` now, where the file system can, so that running out of
  // it is noticed before anything is written.
  void reserve(uint64_t nbytes);

  // Puts the file in place. Throws OperationError if it could not be; only when syncing the
  // directory fails is the new file already in place, and the message says so.
  // Requires: no write has failed.
  void commit();

 private:
  void create_temporary();
  void remove_temporary() noexcept;
  void start_writeback();
  [[noreturn]] void fail(const char* what, int error_number, uint64_t offset = 0);

  std::string path_;
  std::string name_;  // the last component of where path_ leads
  std::string temporary_;
  SystemCalls& calls_;
  FileDescriptor directory_;
  FileDescriptor file_;
  uint64_t cursor_ = 0;
  uint64_t end_ = 0;
  uint64_t written_back_ = 0;  // up to where the disk has been asked to write
  bool failed_ = false;
};

}  // namespace tarn::io
