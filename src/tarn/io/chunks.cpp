#include "tarn/io/chunks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <utility>

#include "tarn/base/parallelism.h"

namespace tarn::io {

namespace {

// Shared by the threads that work on one call of run_chunks.
class ChunkRun {
 public:
  ChunkRun(size_t n_chunks, const std::function<void(size_t)>& run)
      : run_(run), first_failed_(n_chunks) {}

  // Takes chunks until none is left that has to run.
  void work() noexcept {
    while (true) {
      const size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      // Chunks are handed out in ascending order, so that whatever is below a failed one has been
      // handed out before and will end.
      if (i >= first_failed_.load(std::memory_order_relaxed)) return;
      try {
        run_(i);
      } catch (...) {
        record(i, std::current_exception());
      }
    }
  }

  void rethrow_first() {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  void record(size_t i, std::exception_ptr exception) noexcept {
    const std::lock_guard lock(mutex_);
    if (i >= first_failed_.load(std::memory_order_relaxed)) return;
    first_failed_.store(i, std::memory_order_relaxed);
    exception_ = std::move(exception);
  }

  const std::function<void(size_t)>& run_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> first_failed_;  // the number of chunks while none has failed
  std::mutex mutex_;                  // orders writers of first_failed_ and exception_
  std::exception_ptr exception_;
};

}  // namespace

void run_chunks(size_t n_chunks, bool parallel, const std::function<void(size_t)>& run) {
  ChunkRun chunks(n_chunks, run);
  const int most = max_parallelism();
  const size_t n_threads = parallel ? std::min(n_chunks, static_cast<size_t>(most)) : 1;
  // A shared counter rather than a share for each thread: the file is then read front to back, as
  // the kernel's read-ahead expects.
  thread_team().run(static_cast<int>(n_threads), most - 1, [&](int) noexcept { chunks.work(); });
  chunks.rethrow_first();
}

}  // namespace tarn::io
