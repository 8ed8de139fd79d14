#include "cli/interruption.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "cli/run_options.h"

namespace tarn::cli {

std::stop_token stop_on_interrupt() {
  // Threads inherit the mask: the signals wait for the one that asks for them, where locks may be
  // taken as in any code.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source source;
  std::thread([source, signals]() mutable {
    int signal = 0;
    sigwait(&signals, &signal);
    source.request_stop();
    sigwait(&signals, &signal);
    _exit(kSomethingFailed);
  }).detach();
  return source.get_token();
}

}  // namespace tarn::cli
