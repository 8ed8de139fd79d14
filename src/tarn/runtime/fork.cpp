// fork(): the child has one thread and a copy of everything else. What other threads were doing is
// abandoned there, so that waiting for it throws at once, and the runtime starts afresh.
//
// All locks of the runtime are taken before the fork: the child then sees no half-made change.
// Condition variables are made anew, because those of the parent still count threads that the child
// does not have.
#include "tarn/runtime/fork.h"

#include <pthread.h>

#include <new>

#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

void Runtime::register_fork_handlers() {
  pthread_atfork([] { instance().before_fork(); }, [] { instance().after_fork_in_parent(); },
                 [] { instance().after_fork_in_child(); });
}

void Runtime::before_fork() noexcept {
  streams_mutex_.lock();
  for_each_stream([](StreamState& state) { state.queue.mutex().lock(); });
  fork_hooks::lock_wait_buckets();
  deadlines_.fork_mutex().lock();
  pool_.fork_mutex().lock();
  for_each_stream([](StreamState& state) { state.failures.fork_mutex().lock(); });
  fork_hooks::lock_failure_registry();
  fork_hooks::lock_events();
}

void Runtime::after_fork_in_parent() noexcept {
  fork_hooks::unlock_events();
  fork_hooks::unlock_failure_registry();
  for_each_stream([](StreamState& state) { state.failures.fork_mutex().unlock(); });
  pool_.fork_mutex().unlock();
  deadlines_.fork_mutex().unlock();
  fork_hooks::unlock_wait_buckets();
  for_each_stream([](StreamState& state) { state.queue.mutex().unlock(); });
  streams_mutex_.unlock();
}

void Runtime::after_fork_in_child() noexcept {
  forked_.store(true, std::memory_order_relaxed);
  // The old pool and timer are not destroyed: that would wait for their threads.
  new (&pool_) WorkerPool(kIdleThreadTimeout);
  new (&deadlines_) DeadlineTimer(pool_);
  fork_hooks::renew_wait_buckets();
  fork_hooks::unlock_events();
  fork_hooks::unlock_failure_registry();
  for_each_stream([](StreamState& state) {
    state.failures.fork_mutex().unlock();
    state.queue.mutex().unlock();
  });
  streams_mutex_.unlock();

  FailurePtr forked =
      record_failure(FailureKind::abandoned,
                     "the process forked while this was pending in its parent", {.op = "fork"});
  forked->mark_observed();  // the parent still has the work: nothing is lost that would be worth a
                            // line
  for_each_stream([](StreamState& state) { state.queue.unpark_in_child(); });
  for_each_stream([&](StreamState& state) { state.queue.abandon_in_child(forked); });
}

}  // namespace tarn
