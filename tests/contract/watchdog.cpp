// A contract test that hangs has found a broken promise (P15): it must end with a message that says
// which.
#include "tests/contract/watchdog.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace tarn::contract {

Watchdog::Watchdog(std::string what, std::chrono::seconds limit)
    : thread_([this, what = std::move(what), limit] {
        std::unique_lock lock(mutex_);
        if (ended_.wait_for(lock, limit, [this] { return over_; })) return;
        std::fprintf(stderr, "watchdog: %s has not ended after %lld s: something waits for ever\n",
                     what.c_str(), static_cast<long long>(limit.count()));
        std::abort();
      }) {}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

namespace {

// Watches each test of the executable that this file is linked into.
class WatchEachTest final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override {
    watchdog_.emplace(std::string(test.test_suite_name()) + "." + test.name());
  }
  void OnTestEnd(const testing::TestInfo&) override { watchdog_.reset(); }

  std::optional<Watchdog> watchdog_;
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
