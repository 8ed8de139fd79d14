// A reader over bytes in memory that a test can hold, cut and complete.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "tarn/io/reader.h"
#include "tests/contract/programs.h"

namespace tarn::io {

// Thread-safe. Reads behind the header go through the gate, if there is one.
class GatedReader : public Reader {
 public:
  GatedReader(std::string bytes, size_t n_header_bytes, contract::Gate::Pass pass = {})
      : bytes_(std::move(bytes)), n_header_bytes_(n_header_bytes), pass_(pass) {}

  // From now on the source has these bytes.
  void set_bytes(std::string bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ = std::move(bytes);
  }

  bool is_open() const override { return true; }
  bool good() const override { return true; }
  size_t tell() override { return cursor_; }
  void seek(int64_t offset, std::ios_base::seekdir) override { cursor_ = size_t(offset); }
  void read(char* data, size_t n) override { cursor_ += read_at(data, n, cursor_); }
  void read(char* data, size_t n, size_t offset) override { read_at(data, n, offset); }
  std::string label() const override { return "gated"; }
  bool reads_concurrently() const override { return true; }

  size_t read_at(char* data, size_t n, size_t offset) override {
    if (offset >= n_header_bytes_) {
      ++n_reads;
      pass_.go_through();
      if (on_read) on_read(offset);
    }
    const std::lock_guard lock(mutex_);
    const size_t got = offset < bytes_.size() ? std::min(n, bytes_.size() - offset) : 0;
    std::memcpy(data, bytes_.data() + std::min(offset, bytes_.size()), got);
    return got;
  }

  std::atomic<int> n_reads{0};                 // of data
  std::function<void(size_t offset)> on_read;  // may throw

 private:
  mutable std::mutex mutex_;
  std::string bytes_;
  size_t n_header_bytes_;
  contract::Gate::Pass pass_;
  size_t cursor_ = 0;
};

}  // namespace tarn::io
