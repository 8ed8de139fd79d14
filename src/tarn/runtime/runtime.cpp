#include "tarn/runtime/runtime.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "tarn/base/settings.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/scheduler.h"

namespace tarn {

namespace {

// A user's function on a stream.
class UserTask final : public Task {
 public:
  UserTask(StreamState& state, std::function<void()> work)
      : state_(state), work_(std::move(work)), number_(next_creation_number()) {}

  Pending advance() noexcept override {
    try {
      work_();
    } catch (...) {
      note(record_failure(std::current_exception(), site()));
    }
    return {};
  }
  void abandon(const FailurePtr& why, Announcement&) noexcept override { note(why); }
  void release() noexcept override { delete this; }

 private:
  FailureSite site() const { return {.op = "task", .node = number_, .stream = state_.stream}; }
  // A task has no array that could die unobserved: the log owns its failure.
  void note(FailurePtr failure) noexcept { state_.failures.note(std::move(failure)); }

  StreamState& state_;
  std::function<void()> work_;
  const uint64_t number_;
};

// Settles an outcome that a waiting thread owns, once it is out of the queue: if it was the last
// task, the stream is idle for whoever waited.
class MarkTask final : public Task {
 public:
  explicit MarkTask(std::shared_ptr<Outcome> reached) : reached_(std::move(reached)) {}
  ~MarkTask() { reached_->settle_value(); }

  Pending advance() noexcept override { return {}; }
  void abandon(const FailurePtr&, Announcement&) noexcept override {}
  // Nobody will release it, or somebody was about to.
  void abandon_in_child(const FailurePtr&) noexcept override {
    if (!reached_->is_settled()) reached_->settle_value();
  }
  void release() noexcept override { delete this; }

 private:
  const std::shared_ptr<Outcome> reached_;
};

FailurePtr failure_without_thread() noexcept {
  return record_failure(FailureKind::abandoned, "no thread could be started to run the stream",
                        {.op = "stream"});
}

}  // namespace

std::shared_ptr<Outcome> mark(StreamQueue& queue) {
  // No thread is asked for, so none can be missed.
  if (queue.idle()) return nullptr;
  auto reached = std::make_shared<Outcome>();
  queue.post(*std::make_unique<MarkTask>(reached).release());
  return reached;
}

uint64_t next_creation_block() noexcept {
  static std::atomic<uint64_t> next_block{1};
  return next_block.fetch_add(1, std::memory_order_relaxed) * kCreationBlock;
}

void FailureLog::note(FailurePtr failure) noexcept {
  if (failure->kind == FailureKind::cancelled || failure->kind == FailureKind::deadline) return;
  std::lock_guard lock(mutex_);
  bool known = std::any_of(failures_.rbegin(), failures_.rend(),
                           [&](const FailurePtr& noted) { return noted.get() == failure.get(); });
  if (known || failures_.size() == kCapacity) return;
  try {
    failures_.push_back(std::move(failure));
  } catch (const std::bad_alloc&) {
    // The nodes keep the record; only synchronize will not name it.
  }
}

std::vector<FailurePtr> FailureLog::take() {
  std::vector<FailurePtr> taken;
  {
    std::lock_guard lock(mutex_);
    taken.swap(failures_);
  }
  std::sort(taken.begin(), taken.end(),
            [](const FailurePtr& a, const FailurePtr& b) { return a->node < b->node; });
  return taken;
}

Runtime& Runtime::instance() {
  static Runtime& leaked = *new Runtime;
  return leaked;
}

Runtime::Runtime() : backends_(make_backends()), pool_(kIdleThreadTimeout), deadlines_(pool_) {
  register_fork_handlers();
  std::atexit([] { at_exit(); });
}

Backend& Runtime::backend(Device device) {
  for (auto& backend : backends_) {
    if (backend->device() == device) return *backend;
  }
  throw std::invalid_argument(fmt::format("[device] There is no {}.", to_string(device)));
}

bool Runtime::has_device(Device device) const noexcept {
  return std::any_of(backends_.begin(), backends_.end(),
                     [&](const auto& backend) { return backend->device() == device; });
}

StreamState& Runtime::stream(Stream stream) {
  int index = stream.index;
  if (index < 0 || index >= n_streams_.load(std::memory_order_acquire)) {
    throw std::invalid_argument(fmt::format("[stream] There is no {}.", to_string(stream)));
  }
  return *(*chunks_[index / kChunkStreams])[index % kChunkStreams];
}

Stream Runtime::new_stream(Device device) {
  Backend& backend = this->backend(device);
  std::lock_guard lock(streams_mutex_);
  int index = n_streams_.load(std::memory_order_relaxed);
  if (index == kChunkStreams * kMaxChunks) {
    throw std::runtime_error(fmt::format("[new_stream] All {} streams are taken.", index));
  }
  std::unique_ptr<Chunk>& chunk = chunks_[index / kChunkStreams];
  if (!chunk) chunk = std::make_unique<Chunk>();
  Stream stream(index, device);
  (*chunk)[index % kChunkStreams] =
      std::make_unique<StreamState>(stream, backend, pool_, failure_without_thread);
  n_streams_.store(index + 1, std::memory_order_release);
  return stream;
}

std::vector<Stream> Runtime::streams() const {
  int n = n_streams_.load(std::memory_order_acquire);
  std::vector<Stream> all;
  for (int i = 0; i < n; ++i)
    all.push_back((*chunks_[i / kChunkStreams])[i % kChunkStreams]->stream);
  return all;
}

Stream Runtime::borrow_default_stream(Device device) {
  {
    std::lock_guard lock(streams_mutex_);
    auto idle = std::find_if(idle_default_streams_.begin(), idle_default_streams_.end(),
                             [&](const Stream& stream) { return stream.device == device; });
    if (idle != idle_default_streams_.end()) {
      Stream stream = *idle;
      idle_default_streams_.erase(idle);
      return stream;
    }
  }
  return new_stream(device);
}

void Runtime::return_default_stream(Stream stream) noexcept {
  try {
    std::lock_guard lock(streams_mutex_);
    idle_default_streams_.push_back(stream);
  } catch (const std::bad_alloc&) {
    // The next thread makes a stream of its own.
  }
}

bool Runtime::drain(std::chrono::milliseconds timeout) noexcept {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  try {
    int n = n_streams_.load(std::memory_order_acquire);
    std::vector<std::shared_ptr<Outcome>> reached;
    for (int i = 0; i < n; ++i) {
      StreamQueue& queue = (*chunks_[i / kChunkStreams])[i % kChunkStreams]->queue;
      if (auto outcome = mark(queue)) reached.push_back(std::move(outcome));
    }
    return std::all_of(reached.begin(), reached.end(), [&](const auto& outcome) {
      return outcome->wait(deadline, [] { return false; });
    });
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Runtime::at_exit() noexcept {
  instance().drain(std::chrono::milliseconds(settings().exit_timeout_ms));
  flush_unobserved_failures();
}

int Runtime::n_active_streams() noexcept {
  int active = 0;
  for_each_stream([&](StreamState& state) { active += !state.queue.idle(); });
  return active;
}

void scheduler::enqueue(Stream stream, std::function<void()> work) {
  StreamState& state = Runtime::instance().stream(stream);
  state.queue.post(*std::make_unique<UserTask>(state, std::move(work)).release());
}

int scheduler::n_active_tasks() { return Runtime::instance().n_active_streams(); }

}  // namespace tarn
