// A contract test that hangs has found a broken promise (P15): it must end with a message that says
// which. Linked into an executable, this watches each of its tests.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace tarn::contract {
namespace {

// Far beyond what any test takes on a loaded machine under a sanitizer.
constexpr unsigned kLimitSeconds = 240;

// By a signal, not by a thread: tests fork, and a child may not begin with the threads of another.
class WatchEachTest final : public testing::EmptyTestEventListener {
 public:
  WatchEachTest() { std::signal(SIGALRM, tell); }

 private:
  void OnTestStart(const testing::TestInfo& test) override {
    message() = "watchdog: " + std::string(test.test_suite_name()) + "." + test.name() +
                " does not end: something waits for ever\n";
    alarm(kLimitSeconds);
  }
  void OnTestEnd(const testing::TestInfo&) override { alarm(0); }

  static std::string& message() {
    static std::string message;
    return message;
  }

  static void tell(int) {
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, message().data(), message().size());
    std::abort();
  }
};

// Children of death tests run the binary anew: the parent's threads are not theirs. An environment,
// because listeners hear nothing in such a child.
class AnewInDeathTests final : public testing::Environment {
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

[[maybe_unused]] const bool installed = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new WatchEachTest);
  testing::AddGlobalTestEnvironment(new AnewInDeathTests);
  return true;
}();

}  // namespace
}  // namespace tarn::contract
