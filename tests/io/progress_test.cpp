#include "tarn/io/progress.h"

#include <gtest/gtest.h>

#include <latch>
#include <map>
#include <random>
#include <stdexcept>

#include "tarn/base/failure.h"

namespace tarn::io {
namespace {

using namespace std::chrono_literals;

// A tracker that records what its handler is told, under a clock that the test moves.
class Recorder {
 public:
  using Clock = ProgressOptions::Clock;

  std::shared_ptr<ProgressTracker> tracker() {
    return std::make_shared<ProgressTracker>(handler(), options());
  }
  LoadProgressHandler handler() {
    return [this](const LoadProgress& report) {
      reports.push_back(report);
      if (on_report) on_report(report);
    };
  }
  ProgressOptions options() {
    return {.min_interval = 50ms, .stall_after = 1000ms, .now = [this] { return now; }};
  }

  // The reports since the last call, as (bytes done, state).
  std::vector<std::pair<uint64_t, LoadState>> take() {
    std::vector<std::pair<uint64_t, LoadState>> taken;
    for (; n_taken_ < reports.size(); ++n_taken_) {
      taken.emplace_back(reports[n_taken_].bytes_done, reports[n_taken_].state);
    }
    return taken;
  }

  Clock::time_point now{1h};
  std::vector<LoadProgress> reports;
  std::function<void(const LoadProgress&)> on_report;

 private:
  size_t n_taken_ = 0;
};

using Reports = std::vector<std::pair<uint64_t, LoadState>>;

void read_whole(TensorProgress& tensor, uint64_t nbytes) {
  ReadAttempt attempt(tensor);
  attempt.add_bytes(nbytes);
  attempt.finish();
}

TEST(Progress, starts_at_zero_and_ends_at_the_total) {
  Recorder recorder;
  const auto file = start_file_progress("w", 2, 30, recorder.tracker());
  TensorProgress a(file, 10), b(file, 20);
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::loading}}));
  EXPECT_EQ(recorder.reports[0].path, "w");
  EXPECT_EQ(recorder.reports[0].bytes_total, 30u);
  EXPECT_EQ(recorder.reports[0].tensors_total, 2u);
  EXPECT_EQ(recorder.reports[0].fraction(), 0);

  recorder.now += 50ms;
  read_whole(a, 10);
  EXPECT_EQ(recorder.take(), (Reports{{9, LoadState::loading}}));
  recorder.now += 50ms;
  read_whole(b, 20);
  EXPECT_EQ(recorder.take(), (Reports{{29, LoadState::loading}, {30, LoadState::done}}));
  EXPECT_EQ(recorder.reports.back().tensors_done, 2u);
  EXPECT_EQ(recorder.reports.back().fraction(), 1);
}

TEST(Progress, comes_no_faster_than_the_interval) {
  Recorder recorder;
  const auto file = start_file_progress("w", 1, 1000, recorder.tracker());
  TensorProgress tensor(file, 1000);
  ReadAttempt attempt(tensor);
  for (int i = 0; i < 100; ++i) {
    recorder.now += 1ms;
    attempt.add_bytes(10);
  }
  EXPECT_EQ(
      recorder.take(),
      (Reports{{0, LoadState::loading}, {500, LoadState::loading}, {999, LoadState::loading}}));
  attempt.finish();
  EXPECT_EQ(recorder.take(), (Reports{{1000, LoadState::done}}));
}

TEST(Progress, stays_below_the_total_when_a_tensor_fails_and_counts_no_byte_twice) {
  Recorder recorder;
  const auto file = start_file_progress("w", 1, 100, recorder.tracker());
  TensorProgress tensor(file, 100);
  {
    ReadAttempt attempt(tensor);
    attempt.add_bytes(100);  // all are there, but what is made of them fails
  }
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::loading}, {99, LoadState::failed}}));
  {
    ReadAttempt attempt(tensor);
    attempt.add_bytes(60);
    attempt.cancel();
  }
  EXPECT_EQ(recorder.take(), (Reports{{99, LoadState::cancelled}}));
  read_whole(tensor, 100);
  EXPECT_EQ(recorder.take(), (Reports{{100, LoadState::done}}));
  read_whole(tensor, 100);
  EXPECT_EQ(recorder.reports.back().bytes_done, 100u);
  EXPECT_EQ(recorder.reports.back().tensors_done, 1u);
}

TEST(Progress, adds_up_over_files) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  const auto one = start_file_progress("1", 1, 10, tracker);
  const auto two = start_file_progress("2", 1, 30, tracker);
  TensorProgress a(one, 10), b(two, 30);
  read_whole(a, 10);
  EXPECT_EQ(recorder.reports.back().path, "1");
  EXPECT_EQ(recorder.reports.back().fraction(), 1);
  EXPECT_EQ(recorder.reports.back().all.fraction(), 0.25);
  EXPECT_EQ(recorder.reports.back().all.tensors_total, 2u);
  read_whole(b, 30);
  EXPECT_EQ(recorder.reports.back().path, "2");
  EXPECT_EQ(recorder.reports.back().all.fraction(), 1);
  EXPECT_EQ(recorder.reports.back().all.tensors_done, 2u);
}

TEST(Progress, files_and_tensors_without_bytes) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  start_file_progress("no tensors", 0, 0, tracker);
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::done}}));
  EXPECT_EQ(recorder.reports.back().fraction(), 1);
  const auto file = start_file_progress("empty tensor", 1, 0, tracker);
  EXPECT_EQ(recorder.reports.back().fraction(), 0);
  TensorProgress tensor(file, 0);
  ReadAttempt(tensor).finish();
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::loading}, {0, LoadState::done}}));
  EXPECT_EQ(recorder.reports.back().fraction(), 1);
}

TEST(Progress, a_stall_is_reported_once_until_bytes_come_again) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  const auto file = start_file_progress("w", 1, 100, tracker);
  TensorProgress tensor(file, 100);
  recorder.now += 1h;
  tracker->poll();
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::loading}})) << "nobody is reading";

  ReadAttempt attempt(tensor);
  recorder.now += 999ms;
  tracker->poll();
  EXPECT_TRUE(recorder.take().empty());
  recorder.now += 1ms;
  tracker->poll();
  tracker->poll();
  EXPECT_EQ(recorder.take(), (Reports{{0, LoadState::stalled}}));
  recorder.now += 1ms;
  attempt.add_bytes(10);
  EXPECT_EQ(recorder.take(), (Reports{{10, LoadState::loading}}));
  recorder.now += 2s;
  tracker->poll();
  EXPECT_EQ(recorder.take(), (Reports{{10, LoadState::stalled}}));
  attempt.finish();
  recorder.now += 2s;
  tracker->poll();
  EXPECT_EQ(recorder.take(), (Reports{{100, LoadState::done}}));
}

TEST(Progress, a_handler_that_throws_cancels_and_is_left_alone) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  const auto file = start_file_progress("w", 1, 100, tracker);
  TensorProgress tensor(file, 100);
  recorder.on_report = [](const LoadProgress&) { throw 42; };
  recorder.now += 50ms;
  {
    ReadAttempt attempt(tensor);
    try {
      attempt.add_bytes(50);
      FAIL();
    } catch (const OperationError& error) {
      EXPECT_EQ(error.kind(), FailureKind::cancelled);
      EXPECT_EQ(error.io().path, "w");
      try {
        std::rethrow_if_nested(error);
        FAIL();
      } catch (int value) {
        EXPECT_EQ(value, 42);
      }
    }
    EXPECT_THROW(attempt.add_bytes(1), OperationError);
  }
  EXPECT_NO_THROW(ReadAttempt{tensor}) << "a retry";
  TensorProgress other(file, 50);
  EXPECT_THROW(ReadAttempt{other}, OperationError);
  EXPECT_NO_THROW(ReadAttempt{other}) << "a retry";
  EXPECT_TRUE(tracker->exception());
  tracker->poll();
  EXPECT_EQ(recorder.reports.size(), 2u);
}

TEST(Progress, a_handler_cancels_what_runs_and_what_has_not_begun) {
  const auto throwing = [](int value, LoadState at) {
    return std::make_shared<ProgressTracker>([=](const LoadProgress& report) {
      if (report.state == at) throw value;
    });
  };
  const auto file = std::make_shared<FileProgress>("w", 1, 100);
  file->report_to(throwing(1, LoadState::failed));
  file->report_to(throwing(2, LoadState::cancelled));
  TensorProgress tensor(file, 100);
  { const ReadAttempt fails(tensor); }
  EXPECT_NO_THROW({
    ReadAttempt retry(tensor);
    retry.cancel();
  }) << "what the first handler threw came after the attempt that it was about";
  TensorProgress other(file, 100);
  try {
    const ReadAttempt attempt(other);
    FAIL() << "both handlers have thrown since";
  } catch (const OperationError& error) {
    EXPECT_THROW(std::rethrow_if_nested(error), int);
  }
  EXPECT_NO_THROW(ReadAttempt{other});
}

TEST(Progress, scopes_see_what_starts_inside_them) {
  Recorder outer, inner, call;
  const auto load = [](const char* path, std::shared_ptr<ProgressTracker> tracker = nullptr) {
    TensorProgress tensor(start_file_progress(path, 1, 10, tracker), 10);
    read_whole(tensor, 10);
  };
  load("before");
  std::shared_ptr<FileProgress> unfinished;
  {
    ScopedLoadProgress outer_scope(outer.handler(), outer.options());
    load("outer", call.tracker());
    {
      ScopedLoadProgress inner_scope(inner.handler(), inner.options());
      load("inner");
      std::thread([&] { load("another thread starts it"); }).join();
    }
    unfinished = start_file_progress("unfinished", 1, 10);
  }
  load("after");
  TensorProgress tensor(unfinished, 10);
  read_whole(tensor, 10);

  const auto paths = [](const Recorder& recorder) {
    std::vector<std::string> paths;
    for (const LoadProgress& report : recorder.reports) paths.push_back(report.path);
    return paths;
  };
  EXPECT_EQ(paths(outer),
            (std::vector<std::string>{"outer", "outer", "inner", "inner", "unfinished"}));
  EXPECT_EQ(paths(inner), (std::vector<std::string>{"inner", "inner"}));
  EXPECT_EQ(paths(call), (std::vector<std::string>{"outer", "outer"}));
}

TEST(Progress, a_tracker_may_join_while_reading) {
  Recorder recorder;
  const auto file = start_file_progress("w", 2, 30);
  TensorProgress a(file, 10), b(file, 20);
  read_whole(a, 10);
  ReadAttempt attempt(b);
  attempt.add_bytes(5);
  const auto tracker = recorder.tracker();
  file->report_to(tracker);
  file->report_to(tracker);
  EXPECT_EQ(recorder.take(), (Reports{{15, LoadState::loading}}));
  recorder.now += 1s;
  tracker->poll();
  EXPECT_EQ(recorder.take(), (Reports{{15, LoadState::stalled}}));
  attempt.finish();
  EXPECT_EQ(recorder.take(), (Reports{{30, LoadState::done}}));
}

TEST(Progress, a_handler_may_load_and_may_close_its_tracker) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  recorder.on_report = [&](const LoadProgress& report) {
    if (report.path == "first") start_file_progress("second", 1, 5, tracker);
    if (report.path == "second") tracker->close();
  };
  const auto file = start_file_progress("first", 1, 10, tracker);
  EXPECT_EQ(recorder.reports.size(), 2u);
  TensorProgress tensor(file, 10);
  read_whole(tensor, 10);
  EXPECT_EQ(recorder.reports.size(), 2u);
}

// Who polls is in the handler when the reader ends: closing waits for what it has been left.
TEST(Progress, has_been_delivered_when_the_tracker_is_closed) {
  Recorder recorder;
  const auto tracker = recorder.tracker();
  TensorProgress tensor(start_file_progress("w", 1, 10, tracker), 10);
  ReadAttempt attempt(tensor);
  std::latch is_polling(1), may_go_on(1);
  recorder.on_report = [&](const LoadProgress& report) {
    if (report.state != LoadState::stalled) return;
    is_polling.count_down();
    may_go_on.wait();
  };
  recorder.now += 2s;
  const std::jthread polls([&] { tracker->poll(); });
  is_polling.wait();
  attempt.finish();
  EXPECT_EQ(recorder.reports.back().state, LoadState::stalled);
  const std::jthread opens([&] { may_go_on.count_down(); });
  tracker->close();
  EXPECT_EQ(recorder.reports.back().state, LoadState::done);
}

// Threads that read, fail and retry at random: the counts of every file only grow, one handler call
// at a time, and the last report is exact.
TEST(Progress, holds_under_many_threads) {
  constexpr size_t kFiles = 3, kTensors = 40;
  std::atomic<bool> is_inside{false};
  std::map<std::string, LoadProgress> last;
  uint64_t last_all = 0;
  const auto tracker = std::make_shared<ProgressTracker>(
      [&](const LoadProgress& report) {
        EXPECT_FALSE(is_inside.exchange(true));
        EXPECT_GE(report.bytes_done, last[report.path].bytes_done);
        EXPECT_GE(report.tensors_done, last[report.path].tensors_done);
        EXPECT_GE(report.all.bytes_done, last_all);
        EXPECT_EQ(report.bytes_done == report.bytes_total, report.state == LoadState::done);
        last[report.path] = report;
        last_all = report.all.bytes_done;
        is_inside = false;
      },
      ProgressOptions{.min_interval = 0ms});

  std::vector<std::shared_ptr<FileProgress>> files;
  std::deque<TensorProgress> tensors;
  for (size_t f = 0; f < kFiles; ++f) {
    files.push_back(
        start_file_progress("file " + std::to_string(f), kTensors, kTensors * 100, tracker));
    for (size_t t = 0; t < kTensors; ++t) tensors.emplace_back(files.back(), 100);
  }
  std::atomic<size_t> next{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (size_t i; (i = next++) < tensors.size();) {
      for (bool is_done = false; !is_done;) {
        ReadAttempt attempt(tensors[i]);
        is_done = random() % 3 == 0;
        const uint64_t nbytes = is_done ? 100 : random() % 101;
        for (uint64_t b = 0; b < nbytes; b += 10) {
          attempt.add_bytes(std::min<uint64_t>(10, nbytes - b));
        }
        if (is_done) attempt.finish();
        tracker->poll();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back(work, t);
  }
  EXPECT_EQ(last.size(), kFiles);
  for (const auto& [path, report] : last) {
    EXPECT_EQ(report.state, LoadState::done);
    EXPECT_EQ(report.fraction(), 1);
    EXPECT_EQ(report.tensors_done, kTensors);
  }
  EXPECT_EQ(last_all, kFiles * kTensors * 100);
}

}  // namespace
}  // namespace tarn::io
