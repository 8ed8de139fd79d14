// Every allocation, thread creation and call on files that a program makes fails in turn: once, and
// from then on. Nothing may crash, hang, leak, lie, or be lost for later.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/contract/programs.h"
#include "tests/faults/trial.h"

namespace tarn::faults {
namespace {

// The point that is being tried, for whoever finds the process dead.
struct {
  const char* program = "none";
  Point point{};
} now;

void say_where(int) {
  std::fprintf(stderr, "faults: aborted in %s, %s %llu%s\n", now.program, kind_name(now.point.kind),
               static_cast<unsigned long long>(now.point.n),
               now.point.mode == Mode::once ? "" : " and all after it");
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

class Environment final : public testing::Environment {
  void SetUp() override {
    std::signal(SIGABRT, say_where);
    prepare_files();
    // Failures that nobody looks at are what these programs are about.
    set_unobserved_failure_handler([](const Failure&) {});
  }
};
[[maybe_unused]] const auto* environment = testing::AddGlobalTestEnvironment(new Environment);

std::string text_of(const Program& program, Point point) {
  return std::string(program.name) + ", " + kind_name(point.kind) + " " + std::to_string(point.n) +
         (point.mode == Mode::once ? "" : " and all after it");
}

Ending run_at(const Program& program, Point point) {
  now = {program.name, point};
  return run_with_fault(program, point);
}

// Memory goes back on the thread that drops the last owner, which may do so a moment later.
bool active_memory_becomes(size_t wanted) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (get_active_memory() != wanted) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

class Faults : public testing::TestWithParam<Program> {};

TEST_P(Faults, at_every_point) {
  const Program& program = GetParam();
  contract::settle_everything();  // a worker may be dropping the last program's step still
  const size_t memory_at_rest = get_active_memory();
  const Ending golden = run_at(program, {Kind::buffer, 0});
  ASSERT_TRUE(golden.thrown_is_legitimate) << golden.thrown;
  int n_points = 0;
  for (Kind kind : {Kind::allocation, Kind::buffer, Kind::system_call}) {
    const uint64_t n_calls = run_at(program, {kind, 0}).calls;
    for (uint64_t n = 1; n <= n_calls; ++n) {
      for (Mode mode : {Mode::once, Mode::from_then_on}) {
        const Point point{kind, n, mode};
        SCOPED_TRACE(text_of(program, point));
        expect_truthful(program, kind, run_at(program, point), golden);
        EXPECT_TRUE(active_memory_becomes(memory_at_rest))
            << get_active_memory() << " bytes and not " << memory_at_rest;
        ++n_points;
        if (HasFailure()) return;
      }
    }
  }
  const Ending again = run_at(program, {Kind::buffer, 0});
  expect_truthful(program, Kind::buffer, again, golden);
  RecordProperty("n_points", n_points);
}

INSTANTIATE_TEST_SUITE_P(Programs, Faults, testing::ValuesIn(programs()),
                         [](const auto& info) { return std::string(info.param.name); });

// --- first use, and threads, which are made when there is none: in processes that are new ---

constexpr unsigned kChildLimitSeconds = 20;

// Runs `body` in a child of fork() and returns what it returns; -1 if it fails or does not end.
template <class Body>
int64_t in_child(Body body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildLimitSeconds);
    int64_t result = -1;
    try {
      result = body();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "in the child: " << error.what();
    }
    if (testing::Test::HasFailure()) result = -1;
    std::fflush(nullptr);
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  close(ends[1]);
  int64_t result = -1;
  if (read(ends[0], &result, sizeof result) != sizeof result) result = -1;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_FALSE(WIFSIGNALED(status)) << "ended by signal " << WTERMSIG(status);
  return result;
}

// GoogleTest runs suites of this name first: when the library has not been used in this process.
class ProgramsDeathTest : public testing::TestWithParam<Program> {
 protected:
  void try_all(Kind kind) {
    const Program& program = GetParam();
    const int64_t n_calls = in_child([&] { return int64_t(run_at(program, {kind, 0}).calls); });
    ASSERT_GE(n_calls, 0);
    // Each point takes a new process: where a library that generates code makes thousands of calls,
    // the later ones are sampled.
    constexpr uint64_t kDense = 20000;
    for (uint64_t n = 1; n <= uint64_t(n_calls); n += 1 + n * uint64_t(n_calls) / kDense) {
      for (Mode mode : {Mode::once, Mode::from_then_on}) {
        const Point point{kind, n, mode};
        SCOPED_TRACE(text_of(program, point));
        EXPECT_EQ(in_child([&] {
                    const Ending ending = run_at(program, point);
                    expect_truthful(program, kind, ending, run_at(program, {Kind::buffer, 0}));
                    return 0;
                  }),
                  0);
        ++n_points_;
        if (HasFailure()) return;
      }
    }
  }
  void TearDown() override { RecordProperty("n_points", n_points_); }

  int n_points_ = 0;
};

TEST_P(ProgramsDeathTest, without_threads) {
  if (GetParam().needs_threads_because) GTEST_SKIP() << GetParam().needs_threads_because;
  try_all(Kind::thread);
}

// One report for all that a stream loses at once.
TEST(FirstUseDeathTest, what_finds_no_thread_and_no_observer_is_reported) {
  EXPECT_EQ(in_child([] {
              const contract::UnobservedFailures unobserved;
              const Fault no_threads({Kind::thread, 1, Mode::from_then_on});
              {
                const Stream s = contract::cpu_stream();
                const array a = contract::fill(1, s);
                async_eval(contract::plus(a, 1, s), a);
              }
              const std::vector<std::string> messages = unobserved.messages();
              return messages.size() == 1 && messages[0].starts_with("no thread") ? 1 : 0;
            }),
            1);
}

// What is set up at first use may fail, and must be set up later then.
TEST_P(ProgramsDeathTest, without_memory) {
  try_all(Kind::allocation);
  if (!HasFailure()) try_all(Kind::buffer);
}

INSTANTIATE_TEST_SUITE_P(FirstUse, ProgramsDeathTest, testing::ValuesIn(programs()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tarn::faults
