#include "cli/interruption.h"

#include <semaphore.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "cli/run_options.h"

namespace tarn::cli {

namespace {

using Clock = std::chrono::steady_clock;

sem_t n_signals;

// In the thread that waits for it, or in one that a library made before: little is allowed here.
void on_signal(int) {
  const int saved = errno;
  sem_post(&n_signals);
  errno = saved;
}

void wait_for_signal() {
  while (sem_wait(&n_signals) != 0) {
  }
}

}  // namespace

std::stop_token stop_on_interrupt() {
  sem_init(&n_signals, 0, 0);
  std::stop_source source;
  std::thread([source]() mutable {
    wait_for_signal();
    const Clock::time_point first = Clock::now();
    source.request_stop();
    // timeout(1) sends a signal twice, to the process and to its group; people need longer.
    constexpr std::chrono::milliseconds kSameSignal(300);
    do {
      wait_for_signal();
    } while (Clock::now() - first < kSameSignal);
    _exit(kSomethingFailed);
  }).detach();
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    // Who starts a job in the background may have told it not to mind Ctrl-C.
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
    sigaddset(&handled, signal);
  }
  // They are for the thread above, not for this one and those it will make: ThreadSanitizer keeps
  // back the signal of a thread that is about to wait for a condition.
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  return source.get_token();
}

}  // namespace tarn::cli
