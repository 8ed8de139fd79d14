#include "tests/cli/tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

extern char** environ;

namespace tarn {

namespace {

int memory_file(const char* name) { return memfd_create(name, MFD_CLOEXEC); }

std::string contents(int fd) {
  std::string text(size_t(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), ssize_t(text.size()));
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

nlohmann::json Ended::json() const {
  auto value = nlohmann::json::parse(out, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << out << err;
  return value;
}

Tool& Tool::env(const std::string& name, const std::string& value) {
  env_.push_back(name + "=" + value);
  return *this;
}

Tool& Tool::preload(const std::string& library) {
  env("LD_PRELOAD", library);
  // AddressSanitizer wants to be the first of all libraries, which matters to what comes before it.
  const char* options = std::getenv("ASAN_OPTIONS");
  return env("ASAN_OPTIONS",
             (options == nullptr ? "" : std::string(options) + ":") + "verify_asan_link_order=0");
}

Tool& Tool::out_to(int fd) {
  out_ = fd;
  return *this;
}
Tool& Tool::err_to(int fd) {
  err_ = fd;
  return *this;
}
Tool& Tool::ignoring(int signal) {
  ignored_.push_back(signal);
  return *this;
}

Tool& Tool::limit(int resource, rlim_t most) {
  limits_.emplace_back(resource, most);
  return *this;
}

Tool& Tool::start() {
  kept_out_ = memory_file("out");
  kept_err_ = memory_file("err");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out_ >= 0 ? out_ : kept_out_, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err_ >= 0 ? err_ : kept_err_, STDERR_FILENO);
  // Whoever runs the tests may ignore signals, and what is ignored is inherited.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ}) sigaddset(&signals, signal);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  for (const int signal : ignored_) {
    sigdelset(&signals, signal);
    std::signal(signal, SIG_IGN);
  }
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

  Args args = args_;
  args.insert(args.begin(), "tarn");
  std::vector<std::string> environment = env_;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("TARN_")) environment.emplace_back(*variable);
  }
  // Limits are inherited, and this process opens and writes nothing while it has them.
  std::vector<rlimit> usual(limits_.size());
  for (size_t i = 0; i < limits_.size(); ++i) {
    const auto [resource, most] = limits_[i];
    getrlimit(resource, &usual[i]);
    const rlimit limit{most, usual[i].rlim_max};
    setrlimit(resource, &limit);
  }
  const int error = posix_spawn(&pid_, TARN_TOOL, &files, &attributes, pointers(args).data(),
                                pointers(environment).data());
  EXPECT_EQ(error, 0) << TARN_TOOL;
  for (size_t i = limits_.size(); i-- > 0;) setrlimit(limits_[i].first, &usual[i]);
  for (const int signal : ignored_) std::signal(signal, SIG_DFL);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return *this;
}

void Tool::kill(int signal) const { EXPECT_EQ(::kill(pid_, signal), 0); }

Ended Tool::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  Ended ended;
  if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ended.out = contents(kept_out_);
  ended.err = contents(kept_err_);
  close(std::exchange(kept_out_, -1));
  close(std::exchange(kept_err_, -1));
  return ended;
}

Ended run_tool(Tool::Args args) { return Tool(std::move(args)).start().wait(); }

GatedReads::GatedReads(int from) : from_(from) {
  EXPECT_EQ(pipe(arrived_), 0);
  EXPECT_EQ(pipe(gate_), 0);
  // The ends of this process would keep the tool from seeing those of the other close.
  fcntl(arrived_[0], F_SETFD, FD_CLOEXEC);
  fcntl(gate_[1], F_SETFD, FD_CLOEXEC);
}

GatedReads::~GatedReads() {
  open();
  close(gate_[0]);
  close(arrived_[0]);
  close(arrived_[1]);
}

void GatedReads::hold(Tool& tool) const {
  tool.preload(TARN_GATED_PREAD)
      .env("TARN_TEST_GATE_FROM", std::to_string(from_))
      .env("TARN_TEST_ARRIVED", std::to_string(arrived_[1]))
      .env("TARN_TEST_GATE", std::to_string(gate_[0]));
}

void GatedReads::wait_for_read() const {
  char byte = 0;
  EXPECT_EQ(read(arrived_[0], &byte, 1), 1);
}

void GatedReads::open() {
  if (gate_[1] >= 0) close(std::exchange(gate_[1], -1));
}

}  // namespace tarn
