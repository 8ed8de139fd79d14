#include "tarn/io/progress.h"

#include <algorithm>
#include <new>
#include <utility>

#include "tarn/base/failure.h"

namespace tarn {

namespace {

thread_local ScopedLoadProgress* innermost_scope = nullptr;

}  // namespace

double LoadCounts::fraction() const {
  if (bytes_total == 0) return tensors_done == tensors_total ? 1 : 0;
  return static_cast<double>(bytes_done) / static_cast<double>(bytes_total);
}

namespace io {

ProgressTracker::ProgressTracker(LoadProgressHandler handler, ProgressOptions options)
    : options_(std::move(options)), handler_(std::move(handler)) {}

size_t ProgressTracker::add_file(const std::string& path, const LoadCounts& counts,
                                 size_t n_reading) {
  const std::lock_guard lock(mutex_);
  files_.push_back(
      {.path = path, .counts = counts, .n_reading = n_reading, .last_byte = options_.now()});
  all_.bytes_done += counts.bytes_done;
  all_.bytes_total += counts.bytes_total;
  all_.tensors_done += counts.tensors_done;
  all_.tensors_total += counts.tensors_total;
  const bool is_done = counts.tensors_done == counts.tensors_total;
  push_report(files_.back(), is_done ? LoadState::done : LoadState::loading);
  return files_.size() - 1;
}

void ProgressTracker::begin_read(size_t file) {
  const std::lock_guard lock(mutex_);
  files_[file].last_byte = options_.now();
  ++files_[file].n_reading;
}

void ProgressTracker::add_bytes(size_t index, uint64_t nbytes) {
  std::unique_lock lock(mutex_);
  File& file = files_[index];
  file.counts.bytes_done += nbytes;
  all_.bytes_done += nbytes;
  file.last_byte = options_.now();
  const bool was_stalled = std::exchange(file.is_stalled, false);
  if (was_stalled || (reports_.empty() && file.last_byte - last_report_ >= options_.min_interval)) {
    push_report(file, LoadState::loading);
  }
  deliver(lock);
}

void ProgressTracker::end_read(size_t index, LoadState state, uint64_t nbytes, size_t n_tensors) {
  std::unique_lock lock(mutex_);
  File& file = files_[index];
  --file.n_reading;
  file.is_stalled = false;
  file.counts.bytes_done += nbytes;
  file.counts.tensors_done += n_tensors;
  all_.bytes_done += nbytes;
  all_.tensors_done += n_tensors;
  file.last_byte = options_.now();
  if (state != LoadState::loading) {
    push_report(file, state);
  } else if (n_tensors > 0 && file.counts.tensors_done == file.counts.tensors_total) {
    push_report(file, LoadState::done);
  } else if (reports_.empty() && file.last_byte - last_report_ >= options_.min_interval) {
    push_report(file, LoadState::loading);
  }
  deliver(lock);
}

void ProgressTracker::poll() {
  std::unique_lock lock(mutex_);
  const Clock::time_point now = options_.now();
  for (File& file : files_) {
    if (file.n_reading == 0 || file.is_stalled) continue;
    if (now - file.last_byte < options_.stall_after) continue;
    file.is_stalled = true;
    push_report(file, LoadState::stalled);
  }
  deliver(lock);
}

std::exception_ptr ProgressTracker::exception() const {
  const std::lock_guard lock(mutex_);
  return exception_;
}

void ProgressTracker::close() {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  if (deliverer_ == std::this_thread::get_id()) {
    // A handler that closes its own tracker is on its way out of its last call.
    reports_.clear();
    return;
  }
  deliver(lock);
  delivered_.wait(lock, [&] { return deliverer_ == std::thread::id(); });
  handler_ = nullptr;
}

void ProgressTracker::push_report(const File& file, LoadState state) noexcept {
  if (is_closed_ || exception_) return;
  try {
    LoadProgress report;
    static_cast<LoadCounts&>(report) = file.counts;
    report.path = file.path;
    report.state = state;
    report.all = all_;
    reports_.push_back(std::move(report));
    last_report_ = options_.now();
  } catch (const std::bad_alloc&) {
    // A report is lost; the load it is about should not be.
  }
}

void ProgressTracker::deliver() {
  std::unique_lock lock(mutex_);
  deliver(lock);
}

void ProgressTracker::deliver(std::unique_lock<std::mutex>& lock) {
  if (deliverer_ != std::thread::id()) return;  // that thread will see what has been pushed
  deliverer_ = std::this_thread::get_id();
  while (!reports_.empty()) {
    const LoadProgress report = std::move(reports_.front());
    reports_.pop_front();
    lock.unlock();
    std::exception_ptr thrown;
    try {
      handler_(report);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown) {
      exception_ = std::move(thrown);
      reports_.clear();
    }
  }
  deliverer_ = std::thread::id();
  delivered_.notify_all();
}

FileProgress::FileProgress(std::string path, size_t tensors_total, uint64_t bytes_total)
    : path_(std::move(path)), listeners_(std::make_shared<const Listeners>()) {
  counts_.tensors_total = tensors_total;
  counts_.bytes_total = bytes_total;
}

void FileProgress::report_to(const std::shared_ptr<ProgressTracker>& tracker) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(*listeners_, tracker, &Listener::tracker) != listeners_->end()) return;
    auto more = std::make_shared<Listeners>(*listeners_);
    more->push_back({tracker, 0});
    more->back().file = tracker->add_file(path_, counts_, n_reading_);
    listeners_ = std::move(more);
  }
  tracker->deliver();
}

std::shared_ptr<const FileProgress::Listeners> FileProgress::listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_;
}

FileProgress::Handlers FileProgress::thrown() const {
  const auto all = listeners();
  Handlers thrown;
  for (size_t i = 0; i < std::min(all->size(), thrown.size()); ++i) {
    thrown[i] = (*all)[i].tracker->exception() != nullptr;
  }
  return thrown;
}

void FileProgress::throw_cancelled(const Handlers& by) const {
  const auto all = listeners();
  for (size_t i = 0; i < std::min(all->size(), by.size()); ++i) {
    if (!by[i]) continue;
    const std::exception_ptr thrown = (*all)[i].tracker->exception();
    try {
      std::rethrow_exception(thrown);
    } catch (...) {
      IoDetails details;
      details.path = path_;
      std::throw_with_nested(OperationError(
          FailureKind::cancelled, "[load] cancelled by its progress handler", std::move(details)));
    }
  }
}

std::optional<std::chrono::milliseconds> FileProgress::stall_after() const {
  std::optional<std::chrono::milliseconds> least;
  for (const Listener& listener : *listeners()) {
    const auto patience = listener.tracker->stall_after();
    if (!least || patience < *least) least = patience;
  }
  return least;
}

void FileProgress::poll() const {
  for (const Listener& listener : *listeners()) listener.tracker->poll();
}

void FileProgress::begin_read() {
  std::shared_ptr<const Listeners> told;
  {
    const std::lock_guard lock(mutex_);
    ++n_reading_;
    told = listeners_;
  }
  for (const Listener& listener : *told) listener.tracker->begin_read(listener.file);
}

void FileProgress::add_bytes(uint64_t nbytes) {
  std::shared_ptr<const Listeners> told;
  {
    const std::lock_guard lock(mutex_);
    counts_.bytes_done += nbytes;
    told = listeners_;
  }
  for (const Listener& listener : *told) listener.tracker->add_bytes(listener.file, nbytes);
}

void FileProgress::end_read(LoadState state, uint64_t nbytes, size_t n_tensors) {
  std::shared_ptr<const Listeners> told;
  {
    const std::lock_guard lock(mutex_);
    --n_reading_;
    counts_.bytes_done += nbytes;
    counts_.tensors_done += n_tensors;
    told = listeners_;
  }
  for (const Listener& listener : *told) {
    listener.tracker->end_read(listener.file, state, nbytes, n_tensors);
  }
}

ReadAttempt::ReadAttempt(TensorProgress& tensor) : tensor_(tensor), known_(tensor.known()) {
  throw_if_cancelled();
  tensor_.file_->begin_read();
}

void ReadAttempt::throw_if_cancelled() {
  const FileProgress::Handlers thrown = tensor_.file_->thrown();
  if (thrown == known_) return;
  tensor_.set_known(thrown);
  tensor_.file_->throw_cancelled(thrown & ~known_);
}

ReadAttempt::~ReadAttempt() {
  if (end_state_ == LoadState::done) return;
  tensor_.file_->end_read(end_state_, 0, 0);
  // Who throws at that report has nothing to cancel any more.
  tensor_.set_known(tensor_.file_->thrown());
}

void ReadAttempt::add_bytes(uint64_t nbytes) {
  uint64_t fresh = 0;
  {
    const std::lock_guard lock(tensor_.mutex_);
    arrived_ += nbytes;
    // What an earlier attempt has read is counted already, and the last byte counts when the tensor
    // is complete: a file must not look loaded while one of its tensors can still fail.
    const uint64_t countable = tensor_.nbytes_ == 0 ? 0 : std::min(arrived_, tensor_.nbytes_ - 1);
    if (countable > tensor_.counted_) fresh = countable - tensor_.counted_;
    tensor_.counted_ += fresh;
  }
  tensor_.file_->add_bytes(fresh);
  throw_if_cancelled();
}

void ReadAttempt::finish() {
  uint64_t fresh = 0;
  bool is_first = false;
  {
    const std::lock_guard lock(tensor_.mutex_);
    is_first = !std::exchange(tensor_.is_done_, true);
    fresh = tensor_.nbytes_ - std::exchange(tensor_.counted_, tensor_.nbytes_);
  }
  end_state_ = LoadState::done;
  const auto& parts = tensor_.unfinished_parts_;
  const bool completes_tensor = is_first && (!parts || parts->fetch_sub(1) == 1);
  tensor_.file_->end_read(LoadState::loading, fresh, completes_tensor ? 1 : 0);
}

std::shared_ptr<FileProgress> start_file_progress(std::string path, size_t tensors_total,
                                                  uint64_t bytes_total,
                                                  const std::shared_ptr<ProgressTracker>& tracker) {
  auto file = std::make_shared<FileProgress>(std::move(path), tensors_total, bytes_total);
  if (tracker) file->report_to(tracker);
  for (auto* scope = innermost_scope; scope != nullptr; scope = scope->outer_) {
    file->report_to(scope->tracker_);
  }
  return file;
}

}  // namespace io

ScopedLoadProgress::ScopedLoadProgress(LoadProgressHandler handler, io::ProgressOptions options)
    : tracker_(std::make_shared<io::ProgressTracker>(std::move(handler), std::move(options))),
      outer_(std::exchange(innermost_scope, this)) {}

ScopedLoadProgress::~ScopedLoadProgress() {
  innermost_scope = outer_;
  tracker_->close();
}

}  // namespace tarn
