// A stream: tasks in order, run by a thread that is borrowed while there is something to run. A
// stream that must wait for another gives its thread back (it is parked) and goes on when what it
// waits for has settled.
#pragma once

#include "tarn/runtime/outcome.h"
#include "tarn/runtime/running_queue.h"  // StdSync::running_queue
#include "tarn/runtime/worker_pool.h"

namespace tarn {

// One entry of a stream's queue: a batch of steps, or a user's task.
template <class Sync>
class BasicTask {
 public:
  // Goes as far as it can. Returns what it must wait for, nothing when the task is done. Called by
  // one thread at a time, again after what it returned has settled or the stream was woken.
  virtual BasicPending<Sync> advance() noexcept = 0;
  // Settles everything the task still owes with `why`; advance is not called any more.
  virtual void abandon(const FailurePtr& why, BasicAnnouncement<Sync>& announcement) noexcept = 0;
  // In the child of a fork, where the thread that ran the task is gone: as abandon, but leaves
  // alone what that thread may have been changing. The task is not released.
  virtual void abandon_in_child(const FailurePtr& why) noexcept {
    BasicAnnouncement<Sync> announcement;
    abandon(why, announcement);
  }
  // The queue is done with the task.
  virtual void release() noexcept = 0;

  BasicTask* next_task = nullptr;  // guarded by the queue

 protected:
  ~BasicTask() = default;
};

// Makes the failure of what is abandoned, when that happens: one record for all that is lost at
// once, whose last owner knows whether anybody has seen it.
using MakeFailure = FailurePtr (*)() noexcept;

// Thread-safe. Lock order: queues by the index of their streams, then an outcome's bucket, then the
// pool.
template <class Sync, class Pool = BasicWorkerPool<Sync>>
class BasicStreamQueue final : BasicRunnable<Sync>, BasicContinuation<Sync> {
 public:
  using Task = BasicTask<Sync>;
  using Outcome = BasicOutcome<Sync>;
  using Pending = BasicPending<Sync>;

  // `without_thread` makes the failure of tasks for which no thread can be had.
  BasicStreamQueue(Pool& pool, MakeFailure without_thread)
      : pool_(&pool), without_thread_(without_thread) {}

  // Requires: no task of this queue is running. What is queued is abandoned.
  void abandon_queued(const FailurePtr& why) noexcept {
    Task* task;
    {
      std::lock_guard lock(mutex_);
      unpark();
      task = std::exchange(head_, nullptr);
      tail_ = &head_;
      active_ = false;
    }
    BasicAnnouncement<Sync> announcement;
    while (task != nullptr) {
      Task* next = task->next_task;
      task->abandon(why, announcement);
      task->release();
      task = next;
    }
  }

  void unpark_in_child() noexcept {
    std::lock_guard lock(mutex_);
    unpark();
  }

  // In the child of a fork: no thread runs the queue any more. Its tasks leak, since the thread
  // that is gone may have been half way through one. Requires: unpark_in_child was called on all
  // queues, else what is settled here would start those that wait for it.
  void abandon_in_child(const FailurePtr& why) noexcept {
    Task* lists[2];
    {
      std::lock_guard lock(mutex_);
      lists[0] = std::exchange(head_, nullptr);
      lists[1] = std::exchange(nested_, nullptr);
      tail_ = &head_;
      active_ = false;
    }
    for (Task* task : lists) {
      while (task != nullptr) std::exchange(task, task->next_task)->abandon_in_child(why);
    }
  }

  void post(Task& task) noexcept {
    bool start;
    {
      std::lock_guard lock(mutex_);
      start = push(task);
    }
    if (start) this->start();
  }

  // The parts of post, for a caller that posts to several queues at one instant: push with all
  // mutexes held, then start those for which push returned true.
  typename Sync::mutex& mutex() noexcept { return mutex_; }

  // Requires: mutex() is held. Returns whether the caller must call start or run_inline.
  bool push(Task& task) noexcept {
    task.next_task = nullptr;
    *tail_ = &task;
    tail_ = &task.next_task;
    return !std::exchange(active_, true);
  }

  // A task that is run inside of one that is running, on the same thread or on another: it is not
  // queued, only known. Requires: mutex() is held.
  void enter_nested(Task& task) noexcept { task.next_task = std::exchange(nested_, &task); }
  void leave_nested(Task& task) noexcept {
    std::lock_guard lock(mutex_);
    Task** link = &nested_;
    while (*link != &task) link = &(*link)->next_task;
    *link = task.next_task;
  }

  void start() noexcept {
    if (!pool_->submit(*this)) no_thread();
  }

  // Runs the stream on the calling thread up to and including `last`, or until it must park.
  void run_inline(Task& last) noexcept { run_through(&last); }

  // Makes a parked stream look at its first task again, although what it waits for has not settled.
  void wake() noexcept {
    {
      std::lock_guard lock(mutex_);
      // The continuation is still registered, so the outcome is still alive: see settled().
      if (parked_on_ == nullptr || !parked_on_->remove(*this)) return;
      parked_on_ = nullptr;
    }
    start();
  }

  bool idle() const noexcept {
    std::lock_guard lock(mutex_);
    return !active_;
  }

 private:
  void run() noexcept override { run_through(nullptr); }
  void no_thread() noexcept override { abandon_queued(without_thread_()); }

  void settled() noexcept override {
    {
      std::lock_guard lock(mutex_);
      parked_on_ = nullptr;
    }
    start();
  }

  void run_through(Task* last) noexcept {
    for (;;) {
      Task& task = first();
      if (Pending pending = advance(task)) {
        if (park(pending)) return;
        continue;
      }
      bool more = pop();
      release(task);
      // Idle only now: who has drained the stream finds what its tasks held given back.
      more = more || has_more();
      bool hand_over = more && &task == last;
      if (hand_over) start();
      if (!more || hand_over) return;
    }
  }

  Pending advance(Task& task) noexcept {
    typename Sync::running_queue running(this);
    return task.advance();
  }

  // Destructors of the user's may evaluate, too.
  void release(Task& task) noexcept {
    typename Sync::running_queue running(this);
    task.release();
  }

  // Requires: active, and this thread runs the queue, so there is a first task and only this thread
  // removes it.
  Task& first() noexcept {
    std::lock_guard lock(mutex_);
    return *head_;
  }

  // Removes the first task. Returns whether there are more.
  bool pop() noexcept {
    std::lock_guard lock(mutex_);
    head_ = head_->next_task;
    if (head_ == nullptr) tail_ = &head_;
    return head_ != nullptr;
  }

  // If not, the queue is idle and no longer this thread's.
  bool has_more() noexcept {
    std::lock_guard lock(mutex_);
    active_ = head_ != nullptr;
    return active_;
  }

  // Requires: mutex_ is held.
  void unpark() noexcept {
    if (parked_on_ != nullptr) std::exchange(parked_on_, nullptr)->remove(*this);
  }

  // Returns whether the stream is parked; then another thread may already be running it.
  bool park(const Pending& pending) noexcept {
    std::lock_guard lock(mutex_);
    parked_on_ = pending.outcome;
    if (pending.outcome->on_settled(*this, pending.ticket)) return true;
    parked_on_ = nullptr;
    return false;
  }

  Pool* const pool_;
  const MakeFailure without_thread_;
  mutable typename Sync::mutex mutex_;
  // All below guarded by mutex_.
  Task* head_ = nullptr;
  Task** tail_ = &head_;
  Task* nested_ = nullptr;
  bool active_ = false;  // some thread runs the queue, will, or will be made to when it is woken
  const Outcome* parked_on_ = nullptr;  // the continuation is registered there
};

using Task = BasicTask<StdSync>;
using StreamQueue = BasicStreamQueue<StdSync>;

}  // namespace tarn
