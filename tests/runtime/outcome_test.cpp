#include "tarn/runtime/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tarn {
namespace {

struct Recorder final : Continuation {
  Recorder(std::vector<std::string>& log, std::string name, Kind kind = Kind::prompt)
      : Continuation(kind), log(log), name(std::move(name)) {}
  void settled() noexcept override { log.push_back(name); }

  std::vector<std::string>& log;
  const std::string name;
};

// A callback may wait for anything that settles at the same time, and for streams that are parked
// on it.
TEST(Outcome, what_may_wait_is_called_when_all_has_settled) {
  constexpr auto kMayWait = Continuation::Kind::may_wait;
  std::vector<std::string> log;
  Recorder stream(log, "stream"), callback(log, "callback", kMayWait),
      another(log, "another stream"), second(log, "second callback", kMayWait),
      of_failed(log, "stream of the failed"), of_failed_too(log, "its callback", kMayWait);
  Outcome outcome, failed;
  EXPECT_TRUE(outcome.on_settled(stream));
  EXPECT_TRUE(outcome.on_settled(callback));
  EXPECT_TRUE(outcome.on_settled(another));
  EXPECT_TRUE(outcome.on_settled(second));
  EXPECT_TRUE(failed.on_settled(of_failed_too));
  EXPECT_TRUE(failed.on_settled(of_failed));
  {
    Announcement announcement;
    outcome.settle_value(announcement);
    failed.settle_failure(std::make_shared<Failure>(), announcement);
    EXPECT_THAT(log, testing::ElementsAre());
  }
  EXPECT_THAT(log, testing::ElementsAre("stream", "another stream", "stream of the failed",
                                        "callback", "second callback", "its callback"));
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
