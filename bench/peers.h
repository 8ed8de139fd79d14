// Other frameworks doing the same work on the same data: bench/peers.py in a process of its own,
// told when to run.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tarn/base/blas_threads.h"
#include "tarn/tarn.h"

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

  // Hands over a row's data and Tarn's results. Throws std::runtime_error if they cannot be read.
  void load(const std::string& row, const std::vector<array>& data,
            const std::vector<array>& results) {
    const TemporaryFolder folder;
    const auto save_all = [&](const std::vector<array>& arrays, const std::string& name) {
      for (size_t i = 0; i < arrays.size(); ++i) {
        const array& a = arrays[i];
        save(folder.path + '/' + name + std::to_string(i),
             a.dtype() == bfloat16 ? astype(a, float32) : a);  // NumPy has no bfloat16
      }
    };
    save_all(data, "data");
    save_all(results, "result");
    const std::string answer = ask("load " + row + ' ' + folder.path);
    if (answer != "ok" && answer != "none") throw std::runtime_error(row + ": " + answer);
  }

  // How the framework's results differ from Tarn's; empty if they do not, or if the framework does
  // not know the row or is not installed.
  std::string difference(const std::string& framework) {
    const std::string answer = ask("check " + framework);
    return answer == "ok" || answer == "none" ? "" : answer;
  }

  // Seconds of one call of the row's work; nothing if the framework does not know it, or is not
  // installed.
  std::optional<double> seconds(const std::string& framework) {
    const std::string answer = ask("time " + framework);
    char* end;
    const double seconds = std::strtod(answer.c_str(), &end);
    return end == answer.c_str() ? std::nullopt : std::optional(seconds);
  }

 private:
  struct TemporaryFolder {
    std::string path = std::filesystem::temp_directory_path() / "tarn-bench-XXXXXX";

    TemporaryFolder() {
      if (mkdtemp(path.data()) == nullptr) throw_error("mkdtemp");
    }
    ~TemporaryFolder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };

  // "none" if there never were peers. Throws std::runtime_error if they are gone.
  std::string ask(const std::string& request) {
    stop_blas_threads();
    kill(process_, SIGCONT);
    std::fprintf(requests_, "%s\n", request.c_str());
    std::fflush(requests_);
    char answer[256];
    const bool is_answered = std::fgets(answer, sizeof answer, answers_) != nullptr;
    kill(process_, SIGSTOP);
    if (!is_answered && has_answered_) throw std::runtime_error("peers.py ended early");
    if (!is_answered) return "none";
    has_answered_ = true;
    answer[std::strcspn(answer, "\n")] = 0;
    return answer;
  }

  [[noreturn]] static void throw_error(const char* call) {
    throw std::system_error(errno, std::generic_category(), call);
  }

  FILE* requests_ = nullptr;
  FILE* answers_ = nullptr;
  pid_t process_ = -1;
  bool has_answered_ = false;
};

}  // namespace tarn::bench
