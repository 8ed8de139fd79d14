// P15's second sentence: who owes a settlement and goes away settles it as abandoned. What goes
// away here are threads: there is none to be had, or all that there are wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tests/contract/programs.h"
#include "tests/faults/fault_points.h"

namespace tarn::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class NoMoreThreads {
 private:
  const faults::Fault fault_{{faults::Kind::thread, 1, faults::Mode::from_then_on}};
};

void expect_abandoned(const array& a) {
  for (int time = 0; time < 2; ++time) {
    EXPECT_THROW(a.wait(), AbandonedError);
    EXPECT_THROW(a.data<float>(), AbandonedError);
    EXPECT_THROW(eval(a), AbandonedError);
  }
  EXPECT_EQ(a.status(), array::Status::failed);
  EXPECT_EQ(a.failure()->kind, FailureKind::abandoned);
}

// Runs `body` in a process of its own, which has no thread yet but that which runs it.
#define EXPECT_TRUE_IN_NEW_PROCESS(body)                \
  EXPECT_EXIT(                                          \
      {                                                 \
        body();                                         \
        std::exit(testing::Test::HasFailure() ? 1 : 0); \
      },                                                \
      testing::ExitedWithCode(0), testing::Eq(""))

void arrays_without_threads() {
  const UnobservedFailures unobserved;
  const Stream s = cpu_stream(), s2 = cpu_stream();
  const size_t active = get_active_memory();
  {
    const Runs runs = count_runs(), calls = count_runs();
    const array a = fill(1, s, {.runs = runs});
    const array b = plus(a, 1, s, {.runs = runs});
    const array c = plus(b, 1, s2, {.runs = runs});
    const array later = plus(a, 5, s2, {.runs = runs});
    {
      const NoMoreThreads fault;
      EXPECT_NO_THROW(async_eval(c));
      on_settled(c, [&](const array& settled) { *calls += settled.failure() != nullptr; });
      for (const array& x : {a, b, c}) expect_abandoned(x);
      EXPECT_EQ(a.failure(), b.failure()) << "one record for what a stream loses at once";
      EXPECT_THAT(a.failure()->message, HasSubstr("no thread"));
      EXPECT_THROW(eval(later), AbandonedError);
      const std::stop_source stop;
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
      EXPECT_THROW(eval({fill(1, s)}, {.deadline = deadline, .stop = stop.get_token()}),
                   AbandonedError);
      EXPECT_THROW(retry({c}), AbandonedError);
      wait_until_idle();
    }
    EXPECT_EQ(*calls, 1);
    EXPECT_EQ(*runs, 0);
    retry({c, later});
    EXPECT_TRUE(has_values(c, 3));
    EXPECT_TRUE(has_values(later, 6));
    EXPECT_EQ(*runs, 4);
  }
  for (const Stream stream : {s, s2}) EXPECT_THROW(synchronize(stream), AbandonedError);
  wait_until_idle();
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_THAT(unobserved.messages(), ElementsAre());
}

TEST(ContractDeathTest, contract_p15_arrays_whose_stream_gets_no_thread_are_abandoned) {
  EXPECT_TRUE_IN_NEW_PROCESS(arrays_without_threads);
}

void tasks_without_threads() {
  const UnobservedFailures not_on_stderr;
  const Stream s = cpu_stream();
  Event event(s);
  bool has_run = false;
  auto state = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = state;
  {
    const NoMoreThreads fault;
    scheduler::enqueue(s, [&has_run, owned = std::move(state)] { has_run = true; });
    EXPECT_TRUE(watched.expired()) << "the dropped task leaks what it owns";
    event.signal(s);
    for (int time = 0; time < 2; ++time) EXPECT_THROW(event.wait(), AbandonedError);
    wait_until_idle();
    EXPECT_THROW(synchronize(s), AbandonedError);
    EXPECT_NO_THROW(synchronize(s));
  }
  EXPECT_FALSE(has_run);
  scheduler::enqueue(s, [&has_run] { has_run = true; });
  synchronize(s);
  EXPECT_TRUE(has_run);
}

TEST(ContractDeathTest, contract_p15_tasks_and_signals_whose_stream_gets_no_thread_are_abandoned) {
  EXPECT_TRUE_IN_NEW_PROCESS(tasks_without_threads);
}

TEST(Contract, contract_p15_an_event_that_is_never_signaled_holds_nothing_up) {
  const UnobservedFailures unobserved;
  const Stream s = cpu_stream();
  {
    Event polled(s);
    EXPECT_FALSE(polled.is_signaled());
    EXPECT_THROW(polled.wait(Stream(1 << 20, Device::cpu)), std::invalid_argument);
  }
  EXPECT_THAT(unobserved.messages(), ElementsAre()) << "nobody waited";
  {
    Event event(cpu_stream());
    event.wait(s);
  }
  array later = fill(1, s);
  EXPECT_NO_THROW(later.eval());
  wait_until_idle();
  EXPECT_THAT(unobserved.messages(), ElementsAre(HasSubstr("never signaled")));
}

// Nothing is lost: there is nothing to do.
void idle_streams_without_threads() {
  const UnobservedFailures unobserved;
  {
    const NoMoreThreads fault;
    EXPECT_NO_THROW(synchronize(cpu_stream()));
    EXPECT_NO_THROW(clear_cache());
  }
  EXPECT_THAT(unobserved.messages(), ElementsAre());
}

TEST(ContractDeathTest, contract_p13_draining_idle_streams_needs_no_thread) {
  EXPECT_TRUE_IN_NEW_PROCESS(idle_streams_without_threads);
}

// An operation that evaluates another of its kind, on another stream, as long as `deeper` says so:
// each takes a thread until there is none for the next.
array nested(const std::shared_ptr<std::atomic<bool>>& deeper, Gate::Pass pass = {}) {
  return operation("nested", cpu_stream(), {}, [=](auto&, auto& outputs) {
    pass.go_through();
    if (*deeper) eval(nested(deeper));
    fill_output(outputs[0], 7);
  });
}

TEST(Contract, contract_p15_what_is_queued_when_all_threads_wait_is_abandoned) {
  const UnobservedFailures unobserved;
  settle_everything();
  const size_t active = get_active_memory();
  {
    auto deeper = std::make_shared<std::atomic<bool>>(true);
    Gate gate;
    const array outermost = nested(deeper, gate.pass());
    const array dependent = plus(outermost, 1, cpu_stream());
    const array neighbour = fill(1, outermost.primitive().stream());
    async_eval(dependent, neighbour);
    gate.wait_until_reached();
    std::vector<std::thread> waiters;
    for (const array& waited : {outermost, dependent}) {
      waiters.emplace_back([waited] { expect_abandoned(waited); });
    }
    {
      const NoMoreThreads fault;
      gate.open();
      for (std::thread& waiter : waiters) waiter.join();
      EXPECT_EQ(dependent.failure(), outermost.failure());
      neighbour.wait();
      EXPECT_TRUE(has_values(neighbour, 1)) << "its thread has come back";
    }
    *deeper = false;
    retry({dependent});
    EXPECT_TRUE(has_values(dependent, 8));
  }
  settle_everything();
  wait_until_idle();
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_THAT(unobserved.messages(), ElementsAre());
}

// Nothing is owed by the thread that a stream belongs to.
TEST(Contract, contract_p15_work_outlives_the_thread_that_asked_for_it_and_its_streams) {
  Gate gate;
  std::optional<array> a;
  std::thread([&] {
    a = fill(1, default_stream(Device::cpu), {gate.pass()});
    async_eval(plus(*a, 1, default_stream(Device::cpu)), *a);
    gate.wait_until_reached();
    clear_streams();
  }).join();
  EXPECT_EQ(a->status(), array::Status::evaluated);
  gate.open();
  a->wait();
  EXPECT_TRUE(has_values(*a, 1));
}

}  // namespace
}  // namespace tarn::contract
