// Other frameworks doing the same work: bench/peers.py in a process of its own, told when to run.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>

#include "tarn/base/blas_threads.h"

namespace tarn::bench {

// Whoever is measured has the machine alone: the threads of OpenMP and OpenBLAS, which wait for
// more work at full speed for a tenth of a second, are stopped with their process. Not thread-safe.
class Peers {
 public:
  // Starts `script`. Throws std::system_error.
  explicit Peers(const std::string& script) {
    std::signal(SIGPIPE, SIG_IGN);  // without peers the benchmark goes on
    int to_child[2], from_child[2];
    if (pipe(to_child) != 0 || pipe(from_child) != 0) throw_error("pipe");
    process_ = fork();
    if (process_ < 0) throw_error("fork");
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(to_child[0], STDIN_FILENO);
      dup2(from_child[1], STDOUT_FILENO);
      for (int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(end);
      execl("/usr/bin/python3", "python3", script.c_str(), nullptr);
      _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    requests_ = fdopen(to_child[1], "w");
    answers_ = fdopen(from_child[0], "r");
  }
  ~Peers() {
    kill(process_, SIGCONT);
    std::fclose(requests_);
    std::fclose(answers_);
    waitpid(process_, nullptr, 0);
  }
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  // Seconds of one call of the row's work; nothing if the framework does not know it, or is not
  // installed.
  std::optional<double> seconds(const char* framework, const char* row) {
    stop_blas_threads();
    kill(process_, SIGCONT);
    std::fprintf(requests_, "%s %s\n", framework, row);
    std::fflush(requests_);
    char answer[64];
    const bool is_answered = std::fgets(answer, sizeof answer, answers_) != nullptr;
    kill(process_, SIGSTOP);
    if (!is_answered) return std::nullopt;
    char* end;
    const double seconds = std::strtod(answer, &end);
    return end == answer ? std::nullopt : std::optional(seconds);
  }

 private:
  [[noreturn]] static void throw_error(const char* call) {
    throw std::system_error(errno, std::generic_category(), call);
  }

  FILE* requests_ = nullptr;
  FILE* answers_ = nullptr;
  pid_t process_ = -1;
};

}  // namespace tarn::bench
