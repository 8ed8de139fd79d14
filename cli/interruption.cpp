#include "cli/interruption.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "cli/run_options.h"

namespace tarn::cli {

std::stop_token stop_on_interrupt() {
  // Threads inherit the mask: the signals wait for the one that asks for them, where locks may be
  // taken as in any code.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) {
    // Who starts a job in the background may have told it not to mind Ctrl-C.
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source source;
  std::thread([source, signals]() mutable {
    int signal = 0;
    sigwait(&signals, &signal);
    const auto first = std::chrono::steady_clock::now();
    source.request_stop();
    // timeout(1) sends each signal twice, to the process and to its group; people need longer.
    constexpr std::chrono::milliseconds kSameSignal(300);
    do {
      sigwait(&signals, &signal);
    } while (std::chrono::steady_clock::now() - first < kSameSignal);
    _exit(kSomethingFailed);
  }).detach();
  return source.get_token();
}

}  // namespace tarn::cli
