#include "tarn/io/stall_watch.h"

#include <exception>

#include "tarn/runtime/runtime.h"

namespace tarn::io {

StallWatch::~StallWatch() {
  if (is_scheduled_) Runtime::instance().deadlines().forget(this);
}

void StallWatch::begin() noexcept {
  const std::lock_guard lock(mutex_);
  ++n_reading_;
  if (!is_scheduled_) schedule();
}

void StallWatch::end() noexcept {
  const std::lock_guard lock(mutex_);
  --n_reading_;
}

// Requires: mutex_ is held.
void StallWatch::schedule() noexcept {
  try {
    const auto patience = file_->stall_after();
    if (!patience) return;
    is_scheduled_ = true;
    Runtime::instance().deadlines().schedule(std::chrono::steady_clock::now() + *patience,
                                             shared_from_this());
  } catch (const std::exception&) {
    // Without memory a stall goes unreported, as without a thread: the read itself is not to
    // suffer.
    is_scheduled_ = false;
  }
}

// A handler may take its time, and the timer's thread has other deadlines to keep.
void StallWatch::expire() noexcept {
  const std::lock_guard lock(mutex_);
  is_scheduled_ = false;
  if (n_reading_ == 0 || self_) return;
  self_ = shared_from_this();
  if (!Runtime::instance().pool().submit(*this)) self_.reset();
}

void StallWatch::run() noexcept {
  try {
    file_->poll();
  } catch (const std::exception&) {
    // As in schedule.
  }
  std::shared_ptr<StallWatch> self;  // destroyed after the lock is gone
  const std::lock_guard lock(mutex_);
  self = std::move(self_);
  if (n_reading_ > 0 && !is_scheduled_) schedule();
}

void StallWatch::no_thread() noexcept {
  std::shared_ptr<StallWatch> self;  // destroyed after the lock is gone
  const std::lock_guard lock(mutex_);
  self = std::move(self_);
}

}  // namespace tarn::io
