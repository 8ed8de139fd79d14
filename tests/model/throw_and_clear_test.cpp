// The checker on the two ways to keep the failure of asynchronous work. A slot per stream, thrown
// and cleared by whoever looks first, must be caught losing failures and blaming neighbours; a
// failure that lives in the outcome of the work must pass, to exhaustion.
#include <gtest/gtest.h>

#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "checker.h"
#include "model_sync.h"

namespace tarn::model {
namespace {

// One thread that runs tasks in order.
class Worker {
 public:
  ~Worker() {
    push(nullptr);
    thread_.join();
  }

  void push(std::function<void()> task) {
    {
      std::lock_guard lock(mutex_);
      tasks_.ref().push_back(std::move(task));
    }
    pushed_.notify_one();
  }

 private:
  void run() {
    while (std::function<void()> task = pop()) task();
  }
  std::function<void()> pop() {
    std::unique_lock lock(mutex_);
    pushed_.wait(lock, [this] { return !tasks_.get().empty(); });
    std::function<void()> task = std::move(tasks_.ref().front());
    tasks_.ref().pop_front();
    return task;
  }

  Mutex mutex_;
  ConditionVariable pushed_;
  Plain<std::deque<std::function<void()>>> tasks_;
  Thread thread_{[this] { run(); }};
};

// Something to wait for; set once.
class Flag {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_set_.get(); });
  }

 private:
  Mutex mutex_;
  ConditionVariable changed_;
  Plain<bool> is_set_{false};
};

using Error = const char*;  // null: none

struct SlotPerStream {
  using Slot = Atomic<Error>;

  class Array {
   public:
    void wait() {
      settled_.wait();
      Slot* slot = slot_;
      if (slot == nullptr) return;
      if (Error error = slot->exchange(nullptr)) throw std::runtime_error(error);
    }

   private:
    friend SlotPerStream;
    Flag settled_;
    Plain<Slot*> slot_{nullptr};
  };

  class Stream {
   public:
    void run(Array& output, Array* input, Error error) {
      worker_.push([this, &output, input, error] {
        if (input != nullptr) take_over(*input);
        if (error != nullptr && slot_.load() == nullptr) slot_.store(error);
        if (slot_.load() != nullptr) output.slot_ = &slot_;
        output.settled_.set();
      });
    }

   private:
    void take_over(Array& input) {
      input.settled_.wait();
      Slot* other = input.slot_;
      if (other == nullptr || other == &slot_) return;
      if (Error error = other->load()) slot_.store(error);
    }

    Slot slot_{nullptr};
    Worker worker_;
  };
};

struct FailureInOutcome {
  class Array {
   public:
    void wait() {
      if (Error error = outcome()) throw std::runtime_error(error);
    }

   private:
    friend FailureInOutcome;
    Error outcome() {
      settled_.wait();
      return error_;
    }

    Flag settled_;
    Plain<Error> error_{nullptr};
  };

  class Stream {
   public:
    void run(Array& output, Array* input, Error error) {
      worker_.push([&output, input, error] {
        Error inherited = input == nullptr ? nullptr : input->outcome();
        output.error_ = inherited != nullptr ? inherited : error;
        output.settled_.set();
      });
    }

   private:
    Worker worker_;
  };
};

template <class Array>
bool throws(Array& array) {
  try {
    array.wait();
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

constexpr Error kNoError = nullptr;

template <class Design>
void two_waiters() {
  typename Design::Array array;
  typename Design::Stream stream;
  stream.run(array, nullptr, "boom");
  bool other_threw = false;
  Thread other([&] { other_threw = throws(array); });
  bool main_threw = throws(array);
  other.join();
  check(main_threw && other_threw, "a waiter of a failed array saw no error");
}

template <class Design>
void healthy_neighbour() {
  typename Design::Array bad, good;
  typename Design::Stream stream;
  stream.run(bad, nullptr, "boom");
  stream.run(good, nullptr, kNoError);
  check(!throws(good), "a healthy array was blamed for its neighbour's failure");
  check(throws(bad), "a waiter of a failed array saw no error");
}

template <class Design>
void later_dependent() {
  typename Design::Array bad, dependent;
  typename Design::Stream stream;
  stream.run(bad, nullptr, "boom");
  check(throws(bad), "a waiter of a failed array saw no error");
  stream.run(dependent, &bad, kNoError);
  check(throws(dependent), "a dependent of a failed array saw no error");
}

template <class Design>
void dependent_on_another_stream() {
  typename Design::Array bad, dependent, unrelated;
  typename Design::Stream first, second;
  first.run(bad, nullptr, "boom");
  second.run(dependent, &bad, kNoError);
  second.run(unrelated, nullptr, kNoError);
  check(throws(bad), "a waiter of a failed array saw no error");
  check(throws(dependent), "a dependent of a failed array saw no error");
  check(!throws(unrelated), "a healthy array was blamed for its neighbour's failure");
}

struct Scenario {
  const char* name;
  void (*slot_per_stream)();
  void (*failure_in_outcome)();
};

#define TARN_SCENARIO(f) \
  Scenario { #f, &f < SlotPerStream>, &f < FailureInOutcome> }
class ThrowAndClear : public testing::TestWithParam<Scenario> {};

TEST_P(ThrowAndClear, SlotPerStreamIsCaught) {
  const Scenario& scenario = GetParam();
  Result result = explore(dpor(), scenario.slot_per_stream);
  std::printf("%s: %s\n  %s\n", scenario.name, result.failure.c_str(), result.summary().c_str());
  EXPECT_NE(result.failure, "");
  EXPECT_EQ(replay(result.schedule, scenario.slot_per_stream).message, result.message);
}

TEST_P(ThrowAndClear, FailureInOutcomePassesToExhaustion) {
  const Scenario& scenario = GetParam();
  Result result = explore(dpor(), scenario.failure_in_outcome);
  std::printf("%s: %s\n", scenario.name, result.summary().c_str());
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

INSTANTIATE_TEST_SUITE_P(Designs, ThrowAndClear,
                         testing::Values(TARN_SCENARIO(two_waiters),
                                         TARN_SCENARIO(healthy_neighbour),
                                         TARN_SCENARIO(later_dependent),
                                         TARN_SCENARIO(dependent_on_another_stream)),
                         [](const auto& info) { return std::string(info.param.name); });
#undef TARN_SCENARIO

}  // namespace
}  // namespace tarn::model
