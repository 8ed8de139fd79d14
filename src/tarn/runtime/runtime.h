// The sole owner of mutable state: worker threads, streams, devices, deadlines. Never destroyed: at
// exit it drains what is queued for a while, and what still runs then ends with the process.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <vector>

#include "tarn/runtime/backend.h"
#include "tarn/runtime/deadline_timer.h"
#include "tarn/runtime/outcome.h"
#include "tarn/runtime/stream_queue.h"

namespace tarn {

// What happened on a stream since its last synchronize. Thread-safe.
class FailureLog {
 public:
  // `failure` may be a node's pointer or a plain record; the log keeps it alive as it is.
  void note(FailurePtr failure) noexcept;
  // All that was noted, by creation number; the log is empty afterwards.
  std::vector<FailurePtr> take();

  std::mutex& fork_mutex() noexcept { return mutex_; }

  // More roots than this between two synchronizes are not kept: a server may never
  // synchronize.
  static constexpr size_t kCapacity = 4096;

 private:
  std::mutex mutex_;
  std::vector<FailurePtr> failures_;
};

struct StreamState {
  StreamState(Stream stream, Backend& backend, WorkerPool& pool, MakeFailure without_thread)
      : stream(stream), backend(backend), queue(pool, without_thread) {}

  const Stream stream;
  Backend& backend;
  StreamQueue queue;
  FailureLog failures;
};

// Thread-safe.
class Runtime {
 public:
  static Runtime& instance();

  Backend& backend(Device device);  // throws std::invalid_argument when there is none
  bool has_device(Device device) const noexcept;

  StreamState& stream(
      Stream stream);  // throws std::invalid_argument for a handle that was made by hand
  Stream new_stream(Device device);
  std::vector<Stream> streams() const;

  // A default stream for a thread: handed on from thread to thread, so that many short threads need
  // few streams.
  Stream borrow_default_stream(Device device);
  void return_default_stream(Stream stream) noexcept;

  WorkerPool& pool() noexcept { return pool_; }
  DeadlineTimer& deadlines() noexcept { return deadlines_; }

  // How many streams have work queued or running.
  int n_active_streams() noexcept;

  // Waits until all queued work is done, at most `timeout`. Returns whether it is.
  bool drain(std::chrono::milliseconds timeout) noexcept;

  // Whether this process is the child of a fork that happened after the runtime was in use:
  // libraries with threads of their own must then run single-threaded.
  bool forked() const noexcept { return forked_.load(std::memory_order_relaxed); }

 private:
  // Long enough that a program that evaluates now and then keeps its threads, short enough to shed
  // those of a burst.
  static constexpr std::chrono::seconds kIdleThreadTimeout{10};
  // Streams are found by index without a lock, so they live in chunks that never move.
  static constexpr int kChunkStreams = 256;
  static constexpr int kMaxChunks = 256;
  using Chunk = std::array<std::unique_ptr<StreamState>, kChunkStreams>;

  Runtime();
  static void at_exit() noexcept;
  template <class Visit>
  void for_each_stream(Visit visit) noexcept {
    int n = n_streams_.load(std::memory_order_acquire);
    for (int i = 0; i < n; ++i) visit(*(*chunks_[i / kChunkStreams])[i % kChunkStreams]);
  }
  void register_fork_handlers();
  void before_fork() noexcept;
  void after_fork_in_parent() noexcept;
  void after_fork_in_child() noexcept;

  std::vector<std::unique_ptr<Backend>> backends_;
  WorkerPool pool_;
  DeadlineTimer deadlines_;
  mutable std::mutex streams_mutex_;
  // Written under the mutex; `n_streams_` publishes what was written.
  std::array<std::unique_ptr<Chunk>, kMaxChunks> chunks_;
  std::atomic<int> n_streams_{0};
  std::vector<Stream> idle_default_streams_;  // guarded by streams_mutex_
  std::atomic<bool> forked_{false};
};

// An outcome that settles, as a value, once all that is on `queue` now is done; null if that is
// nothing.
std::shared_ptr<Outcome> mark(StreamQueue& queue);

// The next creation number. Numbers grow within a thread; threads take them in blocks, so across
// threads they say which came first only roughly.
inline constexpr uint64_t kCreationBlock = 256;
uint64_t next_creation_block() noexcept;
inline uint64_t next_creation_number() noexcept {
  thread_local uint64_t next = 0;
  if (next % kCreationBlock == 0) next = next_creation_block();
  return next++;
}

}  // namespace tarn
