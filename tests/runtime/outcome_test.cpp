#include "tarn/runtime/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tarn {
namespace {

struct Recorder final : Continuation {
  Recorder(std::vector<std::string>& log, std::string name) : log(log), name(std::move(name)) {}
  void settled() noexcept override { log.push_back(name); }

  std::vector<std::string>& log;
  const std::string name;
};

// A callback may evaluate on a stream that is parked on the same outcome: streams go first.
TEST(Outcome, continuations_that_come_last_do) {
  std::vector<std::string> log;
  Recorder stream(log, "stream"), callback(log, "callback"), another(log, "another stream"),
      second(log, "second callback");
  Outcome outcome;
  EXPECT_TRUE(outcome.on_settled(stream));
  EXPECT_TRUE(outcome.on_settled(callback, Outcome::kLatest, true));
  EXPECT_TRUE(outcome.on_settled(another));
  EXPECT_TRUE(outcome.on_settled(second, Outcome::kLatest, true));
  outcome.settle_value();
  EXPECT_THAT(log, testing::ElementsAre("another stream", "stream", "callback", "second callback"));
  EXPECT_FALSE(outcome.on_settled(stream));
}

TEST(Outcome, what_was_planned_before_a_reset_does_not_wait) {
  auto failure = std::make_shared<Failure>();
  Outcome outcome;
  EXPECT_TRUE(outcome.must_wait(5));
  outcome.settle_failure(failure);
  EXPECT_FALSE(outcome.must_wait(5));
  ASSERT_TRUE(outcome.reset(7));
  EXPECT_FALSE(outcome.reset(8)) << "it is pending";
  EXPECT_EQ(outcome.failure(), nullptr);
  EXPECT_EQ(outcome.last_failure(), failure);
  EXPECT_FALSE(outcome.must_wait(6));
  EXPECT_TRUE(outcome.must_wait(7));
  std::vector<std::string> log;
  Recorder old(log, "old"), young(log, "young");
  EXPECT_FALSE(outcome.on_settled(old, 6));
  EXPECT_TRUE(outcome.on_settled(young, 8));
  outcome.settle_value();
  EXPECT_THAT(log, testing::ElementsAre("young"));
  EXPECT_EQ(outcome.last_failure(), nullptr);
  EXPECT_EQ(failure.use_count(), 1) << "the value lets go of the failure";
}

}  // namespace
}  // namespace tarn
