// A program's own tasks on streams, with MLX's names.
#pragma once

#include <functional>
#include <utility>

#include "tarn/base/device.h"
#include "tarn/runtime/event.h"

namespace tarn::scheduler {

// Runs `work` on `stream` after all that was enqueued before. What it throws is thrown by the next
// synchronize(stream), and is no array's business.
void enqueue(Stream stream, std::function<void()> work);

// Enqueues a wait for `event`, then `task(event)`; or `task(event)`, then its signal.
template <typename F>
void wait_event(Stream stream, Event event, F&& task) {
  event.wait(stream);
  enqueue(stream, [event, task = std::forward<F>(task)]() mutable { task(event); });
}
template <typename F>
void signal_event(Stream stream, Event event, F&& task) {
  enqueue(stream, [event, task = std::forward<F>(task)]() mutable { task(event); });
  event.signal(stream);
}

// Streams with work queued or running.
int n_active_tasks();

}  // namespace tarn::scheduler
