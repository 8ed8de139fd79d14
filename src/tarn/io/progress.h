// How far loading has come: what handlers are told, and who tells them.
//
// A load call makes one FileProgress per file once its header is read, and each of its tensors
// counts there what it reads. FileProgress passes that on to the trackers: that of the call and
// those of the scopes the call was made in. A tracker owns one handler and decides when to call it.
#pragma once

#include <atomic>
#include <bitset>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tarn {

enum class LoadState : uint8_t {
  loading,
  stalled,    // something is being read, but nothing has arrived for a while
  failed,     // a tensor could not be read; others may go on, and it may be retried
  cancelled,  // reading a tensor was cancelled
  done,       // all tensors of the file have been read
};

struct LoadCounts {
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
  size_t tensors_done = 0;
  size_t tensors_total = 0;

  // From 0 to 1, in bytes.
  double fraction() const;
};

// One report. The counts of a file never fall, and bytes_done reaches bytes_total only when every
// tensor that has bytes has been read; a retry counts no byte twice.
struct LoadProgress : LoadCounts {  // of the file `path`
  std::string path;
  LoadState state = LoadState::loading;
  LoadCounts all;  // of all files, or shards, that report to the same handler
};

// Called by one thread at a time: that which calls load, those that read, or one that looks for
// stalls. It should not wait for what it watches. While one thread is in it, others leave their
// reports to that thread, so the last report may come a moment after the last array has settled:
// what the handler uses should belong to it, or to a ScopedLoadProgress around it. If it throws,
// the loads it watches are cancelled, with what it threw nested in the failure, and it is not
// called again; what was cancelled may be retried.
using LoadProgressHandler = std::function<void(const LoadProgress&)>;

namespace io {

struct ProgressOptions {
  using Clock = std::chrono::steady_clock;
  std::chrono::milliseconds min_interval{50};  // between reports
  std::chrono::milliseconds stall_after{2000};
  std::function<Clock::time_point()> now = Clock::now;
};

// Calls one handler: with 0 bytes when a file is added, then at most once per interval, and,
// whatever the interval, when a file fails, is cancelled or is done. Thread-safe; no lock is held
// while the handler runs, and no reader waits for it: who comes meanwhile leaves its report to be
// delivered next.
class ProgressTracker {
 public:
  explicit ProgressTracker(LoadProgressHandler handler, ProgressOptions options = {});

  // Reports files whose readers have been without a byte for `stall_after`, once per stall. For
  // whoever waits for a load; a reader that is blocked cannot.
  void poll();

  std::chrono::milliseconds stall_after() const { return options_.stall_after; }

  // What the handler threw, or null.
  std::exception_ptr exception() const;

  // What has been reported is delivered; the handler is not called after this has returned.
  void close();

 private:
  friend class FileProgress;
  using Clock = ProgressOptions::Clock;

  struct File {
    std::string path;
    LoadCounts counts;
    size_t n_reading = 0;
    Clock::time_point last_byte;
    bool is_stalled = false;
  };

  // Called by FileProgress. The first returns the file's index and delivers nothing.
  size_t add_file(const std::string& path, const LoadCounts& counts, size_t n_reading);
  void begin_read(size_t file);
  void add_bytes(size_t file, uint64_t nbytes);
  void end_read(size_t file, LoadState state, uint64_t nbytes, size_t n_tensors);
  void deliver();

  void push_report(const File& file, LoadState state) noexcept;
  void deliver(std::unique_lock<std::mutex>& lock);

  const ProgressOptions options_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable delivered_;
  LoadProgressHandler handler_;
  std::deque<File> files_;
  LoadCounts all_;
  std::deque<LoadProgress> reports_;  // to be delivered, in order
  Clock::time_point last_report_;
  std::thread::id deliverer_;  // who is calling the handler, if anybody
  bool is_closed_ = false;
  std::exception_ptr exception_;
};

// The progress of one file, shared by all that read from it. Thread-safe.
class FileProgress {
 public:
  FileProgress(std::string path, size_t tensors_total, uint64_t bytes_total);

  // From now on `tracker` is told as well, first of how far the file has come already.
  void report_to(const std::shared_ptr<ProgressTracker>& tracker);

  // By the order in which they came; those beyond the last cancel nothing.
  using Handlers = std::bitset<64>;
  // Which handlers have thrown.
  Handlers thrown() const;
  // Throws OperationError (cancelled), with what the first of them threw nested in it.
  void throw_cancelled(const Handlers& by) const;

  // How long the handler with the least patience waits for a byte; nothing if nobody listens.
  std::optional<std::chrono::milliseconds> stall_after() const;
  // Polls all trackers.
  void poll() const;

 private:
  friend class TensorProgress;
  friend class ReadAttempt;

  struct Listener {
    std::shared_ptr<ProgressTracker> tracker;
    size_t file;
  };
  using Listeners = std::vector<Listener>;

  void begin_read();
  void add_bytes(uint64_t nbytes);
  void end_read(LoadState state, uint64_t nbytes, size_t n_tensors);
  std::shared_ptr<const Listeners> listeners() const;

  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows; taken before a tracker's
  LoadCounts counts_;
  size_t n_reading_ = 0;
  std::shared_ptr<const Listeners> listeners_;
};

// What one tensor, or one part of it, has contributed to its file's progress, over all attempts to
// read it. Belongs to its load operation; one attempt at a time.
class TensorProgress {
 public:
  // The parts of a tensor share `unfinished_parts`: the tensor is done when it has fallen to 0.
  TensorProgress(std::shared_ptr<FileProgress> file, uint64_t nbytes,
                 std::shared_ptr<std::atomic<size_t>> unfinished_parts = nullptr)
      : file_(std::move(file)), nbytes_(nbytes), unfinished_parts_(std::move(unfinished_parts)) {}

 private:
  friend class ReadAttempt;

  FileProgress::Handlers known() {
    const std::lock_guard lock(mutex_);
    return known_;
  }
  void set_known(const FileProgress::Handlers& known) {
    const std::lock_guard lock(mutex_);
    known_ = known;
  }

  std::shared_ptr<FileProgress> file_;
  uint64_t nbytes_;
  std::shared_ptr<std::atomic<size_t>> unfinished_parts_;  // null if it is the whole tensor
  std::mutex mutex_;                                       // guards what follows
  uint64_t counted_ = 0;
  bool is_done_ = false;
  FileProgress::Handlers known_;  // that had thrown when the last attempt ended
};

// One attempt to read a tensor: from construction until finish(), or until it is destroyed, which
// without finish() means that it failed.
class ReadAttempt {
 public:
  // Throws OperationError (cancelled) if a handler has thrown since the last attempt ended: a retry
  // goes on.
  explicit ReadAttempt(TensorProgress& tensor);
  ~ReadAttempt();
  ReadAttempt(const ReadAttempt&) = delete;
  ReadAttempt& operator=(const ReadAttempt&) = delete;

  // Bytes have arrived; from any thread. Throws likewise.
  void add_bytes(uint64_t nbytes);
  // The tensor is complete.
  void finish();
  // The attempt ends because somebody asked for it, not because it failed.
  void cancel() noexcept { end_state_ = LoadState::cancelled; }

 private:
  void throw_if_cancelled();

  TensorProgress& tensor_;
  const FileProgress::Handlers known_;
  uint64_t arrived_ = 0;  // guarded by tensor_.mutex_
  LoadState end_state_ = LoadState::failed;
};

// The FileProgress of a load call on this thread: it reports to the scopes that are open here and
// to `tracker`, unless null.
std::shared_ptr<FileProgress> start_file_progress(
    std::string path, size_t tensors_total, uint64_t bytes_total,
    const std::shared_ptr<ProgressTracker>& tracker = nullptr);

}  // namespace io

// While it lives, every load that this thread starts, in whatever code, reports to the handler,
// also when other threads do the reading. Scopes nest; all of them are told. When it is destroyed,
// on the thread that made it and before those made earlier, the handler has been called for the
// last time.
class ScopedLoadProgress {
 public:
  explicit ScopedLoadProgress(LoadProgressHandler handler, io::ProgressOptions options = {});
  ~ScopedLoadProgress();
  ScopedLoadProgress(const ScopedLoadProgress&) = delete;
  ScopedLoadProgress& operator=(const ScopedLoadProgress&) = delete;

  const std::shared_ptr<io::ProgressTracker>& tracker() const { return tracker_; }

 private:
  friend std::shared_ptr<io::FileProgress> io::start_file_progress(
      std::string, size_t, uint64_t, const std::shared_ptr<io::ProgressTracker>&);

  std::shared_ptr<io::ProgressTracker> tracker_;
  ScopedLoadProgress* outer_;
};

}  // namespace tarn
