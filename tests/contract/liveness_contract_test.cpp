// P14 to P17 and P22: nothing ends the process, every wait ends, and waits can be ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tarn/runtime/runtime.h"
#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct ThrowsInItsDestructor {
  ~ThrowsInItsDestructor() noexcept(false) { throw std::runtime_error("destructor"); }
};

// --- P14 ---

TEST(Contract, contract_p14_bodies_tasks_and_names_may_throw_anything) {
  Stream s = cpu_stream();
  struct Nameless final : UnaryPrimitive {
    using UnaryPrimitive::UnaryPrimitive;
    void eval_cpu(const std::vector<array>&, array&) override { throw "a string"; }
    void eval_gpu(const std::vector<array>&, array&) override {}
    const char* name() const override { throw 43; }
  };
  array a(kShape, float32, std::make_shared<Nameless>(s), {});
  array b = fail_with([] { ThrowsInItsDestructor thrown; }, s);
  array c = fail_with([] { throw 42; }, s);
  scheduler::enqueue(s, [] { throw 44; });
  for (const array& x : {a, b, c}) {
    EXPECT_THROW(eval(x), EvalError);
    EXPECT_EQ(x.failure()->kind, FailureKind::operation);
  }
  EXPECT_THROW(synchronize(s), EvalError);
}

TEST(Contract, contract_p14_callbacks_handlers_and_deleters_may_throw) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  array a = fill(7, s);
  on_settled(a, [](const array&) { throw std::runtime_error("callback"); });
  a.wait();
  settle_everything();
  EXPECT_THAT(unobserved.messages(), ElementsAre("callback"));

  float data[3] = {1, 2, 3};
  {
    array wrapped(data, kShape, float32, [](void*) { throw 42; });
    array b = plus(wrapped, 1, s);
    eval(b);
    EXPECT_TRUE(has_values(b, 2));
  }

  EvalOptions options;
  options.on_progress = [](const EvalProgress&) { throw std::runtime_error("progress"); };
  array c = plus(plus(a, 1, s), 1, s);
  EXPECT_THROW(eval({c}, options), CancelledError);
  eval(a);
}

TEST(Contract, contract_p14_the_last_handle_may_die_on_a_worker) {
  Stream s = cpu_stream();
  auto state = std::make_shared<int>(1);
  std::weak_ptr<int> watched = state;
  {
    array a = operation("owner", s, {},
                        [state](auto&, auto& outputs) { fill_output(outputs[0], float(*state)); });
    state.reset();
    async_eval(a);
  }
  synchronize(s);
  EXPECT_TRUE(watched.expired());
}

// --- P15 ---

TEST(Contract, contract_p15_streams_that_wait_for_each_other_do_not_block_each_other) {
  std::vector<Stream> streams;
  for (int i = 0; i < 8; ++i) streams.push_back(cpu_stream());
  for (int round = 0; round < 20; ++round) {
    Gate gate;
    std::vector<array> column;
    for (Stream s : streams) column.push_back(fill(1, s, {gate.pass()}));
    for (int depth = 0; depth < 4; ++depth) {
      std::vector<array> next;
      for (size_t i = 0; i < streams.size(); ++i) {
        next.push_back(sum_of({column[i], column[(i + 1) % streams.size()]}, streams[i]));
      }
      column = next;
    }
    async_eval(column);
    gate.open();
    for (const array& a : column) {
      a.wait();
      ASSERT_TRUE(has_values(a, 16));
    }
  }
}

TEST(Contract, contract_p15_an_operation_may_evaluate_on_its_own_stream) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array outer = operation("outer", s, {}, [=](auto&, auto& outputs) {
    array inner = plus(plus(fill(1, s), 1, s2), 1, s);
    eval(inner);
    fill_output(outputs[0], value_of(inner));
  });
  array after = plus(outer, 1, s);
  eval(after);
  EXPECT_TRUE(has_values(after, 4));
}

TEST(Contract, contract_p15_a_task_may_evaluate_on_its_own_stream) {
  Stream s = cpu_stream();
  float seen = 0;
  scheduler::enqueue(s, [&] {
    array a = plus(fill(1, s), 1, s);
    eval(a);
    seen = value_of(a);
  });
  synchronize(s);
  EXPECT_EQ(seen, 2);
}

TEST(Contract, contract_p15_what_a_task_leaves_behind_may_evaluate_on_its_stream) {
  const Stream s = cpu_stream();
  for (const bool is_last : {true, false}) {
    Gate gate;
    array seen = fill(1, s);
    scheduler::enqueue(s, [pass = gate.pass()] { pass.go_through(); });
    // The queue is the last to hold the task's state.
    scheduler::enqueue(s, [state = std::shared_ptr<void>(nullptr, [=](void*) { eval(seen); })] {});
    if (!is_last) scheduler::enqueue(s, [] {});
    gate.open();
    synchronize(s);
    EXPECT_EQ(seen.status(), array::Status::available);
  }
}

TEST(Contract, contract_p15_work_that_would_wait_for_itself_fails) {
  const Stream s = cpu_stream();
  array a = operation("drains itself", s, {}, [=](auto&, auto&) { synchronize(s); });
  EXPECT_THAT(root_of([&] { a.eval(); }), testing::HasSubstr("synchronize"));
  EXPECT_THROW(synchronize(s), EvalError);  // that failure is the stream's, too
  synchronize(s);
}

TEST(Contract, contract_p15_a_callback_may_evaluate_on_the_stream_that_settled_its_array) {
  Stream s = cpu_stream();
  for (bool on_a_worker : {true, false}) {
    array a = on_a_worker ? fill(1, s) : add(array({1.0f}), array(0.0f), s);
    float seen = 0;
    Event done(s);
    on_settled(a, [&](const array& settled) {
      array b = plus(settled, 1, s);
      eval(b);
      seen = value_of(b);
      done.signal(s);
    });
    eval(a);
    done.wait();
    EXPECT_EQ(seen, 2);
  }
}

struct Coroutine {
  struct promise_type {
    Coroutine get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Coroutine sum_step_by_step(Stream s, array a, float& seen, std::string& failed, Event done) {
  array settled_a = co_await settled(a);
  array b = co_await settled(plus(settled_a, 1, s));
  seen = value_of(b);
  try {
    co_await settled(fail("A", s));
  } catch (const EvalError& error) {
    failed = error.failure()->message;
  }
  done.signal(s);
}

// A task of one stream that runs another stream inline, in which a deleter needs the first one.
// The outputs of a fused group settle together.
TEST(Contract, contract_p15_a_callback_may_wait_for_what_is_fused_with_its_array) {
  Stream s = cpu_stream();
  Gate gate;
  array x = plus(fill(1, s, {gate.pass()}), 1, s);
  array y = multiply(x, x, s), z = add(y, x, s);
  async_eval(y, z);
  Runs seen = count_runs();
  on_settled(y, [&](const array&) { *seen += has_values(z, 6); });
  on_settled(z, [&](const array&) { *seen += has_values(y, 4); });
  gate.open();
  synchronize(s);
  EXPECT_EQ(*seen, 2);
}

TEST(Contract, contract_p15_work_inside_of_work_may_evaluate_on_the_outer_ones_stream) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  float data[] = {1, 2, 3};
  bool evaluated = false;
  scheduler::enqueue(s, [&] {
    array given(data, kShape, float32, [&](void*) {
      array c = fill(7, s);
      eval(c);
      evaluated = has_values(c, 7);
    });
    // Of another item size, so that it cannot take the memory over.
    array on_s2 = astype(std::exchange(given, array(0.0f)), bool_, s2);
    eval(on_s2);
    EXPECT_TRUE(evaluated);
  });
  synchronize(s);
  EXPECT_TRUE(evaluated);
}

// A callback that runs at once, on the thread that asked for it, is not a part of the stream.
TEST(Contract, contract_p15_a_callback_on_a_users_thread_waits_for_the_stream) {
  Stream s = cpu_stream();
  Gate gate;
  Runs runs = count_runs();
  array a = fill(7, s, {gate.pass(), runs});
  std::stop_source stop;
  EvalOptions options;
  options.stop = stop.get_token();
  async_eval({a}, options);
  gate.wait_until_reached();
  stop.request_stop();
  EXPECT_THROW(a.wait(), CancelledError);  // its body runs still
  std::thread retrying([&] { on_settled(a, [](const array& x) { retry({x}); }); });
  while (a.status() != array::Status::evaluated) std::this_thread::yield();
  EXPECT_EQ(*runs, 1);
  gate.open();
  retrying.join();
  EXPECT_EQ(*runs, 2);
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_p15_coroutines_resume_and_go_on_evaluating) {
  Stream s = cpu_stream();
  float seen = 0;
  std::string failed;
  Event done(s);
  sum_step_by_step(s, fill(1, s), seen, failed, done);
  done.wait();
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(failed, "A");
}

TEST(Contract, contract_p15_counters_do_not_leak) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  settle_everything();
  const size_t active = get_active_memory();
  for (int i = 0; i < 100; ++i) {
    const array allocates = operation("allocates", s, {}, [](auto&, auto& outputs) {
      fill_output(outputs[0], 1);
      throw std::runtime_error("A");
    });
    array a = plus(allocates, 1, s);
    async_eval(a);
    scheduler::enqueue(s, [] { throw 42; });
  }
  settle_everything();
  wait_until_idle();
  EXPECT_EQ(get_active_memory(), active);
}

TEST(Contract, contract_p15_clearing_the_cache_waits_for_work_but_not_for_its_own) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fill(1, s, {gate.pass()});
  async_eval(a);
  gate.wait_until_reached();
  std::thread clearing([&] {
    clear_cache();
    EXPECT_TRUE(a.is_available());
  });
  gate.open();
  clearing.join();
  array inside = operation("clear", s, {}, [](auto&, auto& outputs) {
    clear_cache();
    fill_output(outputs[0], 2);
  });
  eval(inside);
  EXPECT_TRUE(has_values(inside, 2));
}

// --- P16 ---

TEST(Contract, contract_p16_destroying_pending_work_does_not_wait) {
  Stream s = cpu_stream();
  Gate gate;
  std::weak_ptr<void> watched;
  {
    auto state = std::make_shared<int>(7);
    watched = state;
    array a = fill(7, s, {gate.pass()});
    array b = operation("reader", s, {a},
                        [state](auto&, auto& outputs) { fill_output(outputs[0], float(*state)); });
    async_eval(b);
    gate.wait_until_reached();
  }
  EXPECT_FALSE(watched.expired());
  gate.open();
  synchronize(s);
  EXPECT_TRUE(watched.expired());
}

TEST(Contract, contract_p16_no_leak_because_a_failure_is_pending) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  settle_everything();
  size_t active = get_active_memory();
  {
    array x = full(kShape, 1.0f, s);
    array a = add(x, sum_of({x, fail("A", s, {}, {x})}, s), s);
    (void)a;
  }
  {
    array x = full({1000}, 1.0f, s);
    array bad = plus(sum_of({x, fail("A", s)}, s), 1, s);
    async_eval(bad, add(x, x, s));
  }
  settle_everything();
  EXPECT_EQ(get_active_memory(), active);
}

// --- P17 ---

TEST(Contract, contract_p17_wait_for_is_bounded_and_leaves_the_array_usable) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fill(7, s, {gate.pass()});
  EXPECT_FALSE(a.wait_for(1ms)) << "nobody has evaluated it";
  async_eval(a);
  EXPECT_FALSE(a.wait_for(0ms));
  EXPECT_FALSE(a.wait_for(1ms));
  EXPECT_EQ(a.status(), array::Status::evaluated);
  gate.open();
  EXPECT_TRUE(a.wait_for(1h));
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_p17_a_deadline_in_the_past_and_one_far_away) {
  Stream s = cpu_stream();
  Gate gate;
  array blocker = fill(0, s, {gate.pass()});
  async_eval(blocker);
  gate.wait_until_reached();
  array a = fill(7, s);
  EvalOptions past;
  past.deadline = std::chrono::steady_clock::now() - 1s;
  EXPECT_THROW(eval({a}, past), DeadlineError);
  EvalReport report = try_eval({a}, past);
  EXPECT_EQ(report.arrays[0].status, array::Status::failed);
  EXPECT_EQ(report.arrays[0].failure->kind, FailureKind::deadline);
  gate.open();
  EvalOptions far;
  far.deadline = std::chrono::steady_clock::now() + 1h;
  retry({a}, far);
  EXPECT_TRUE(has_values(a, 7));
}

// The evaluation is another one's: only the wait ends.
TEST(Contract, contract_p17_a_wait_for_what_others_evaluate_ends_without_it) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fill(7, s, {gate.pass()});
  async_eval(a);
  EvalOptions options;
  options.deadline = std::chrono::steady_clock::now() + 1ms;
  EXPECT_THROW(eval({a}, options), DeadlineError);
  EXPECT_EQ(a.status(), array::Status::evaluated);
  EXPECT_EQ(try_eval({a}, options).arrays[0].status, array::Status::evaluated);
  std::stop_source stop;
  stop.request_stop();
  EvalOptions stopped;
  stopped.stop = stop.get_token();
  EXPECT_THROW(eval({a}, stopped), CancelledError);
  gate.open();
  a.wait();
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_p17_a_deadline_ends_work_that_nobody_waits_for) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  array a = fill(7, s, {gate.pass()});
  array b = plus(a, 1, s2);
  EvalOptions options;
  options.deadline = std::chrono::steady_clock::now() + 1ms;
  async_eval({b}, options);
  EXPECT_THROW(b.wait(), DeadlineError);
  // s2 is free although a has not settled by its operation.
  array free = fill(1, s2);
  eval(free);
  EXPECT_TRUE(has_values(free, 1));
}

// The timer may be half way through the nodes when the waiter's own time is over.
TEST(Contract, contract_p17_a_deadline_is_reported_as_the_evaluations_own) {
  Stream s = cpu_stream();
  for (int round = 0; round < 50; ++round) {
    Gate gate;
    array a = fill(0, s, {gate.pass()});
    for (int i = 0; i < 500; ++i) a = plus(a, 1, s);
    EvalOptions options;
    options.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    try {
      eval({a}, options);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeadlineError& error) {
      EXPECT_EQ(a.failure(), error.failure()) << error.what();
    }
  }
}

// An operation waits for work on its own stream: the wait ends, and the stream goes on.
TEST(Contract, contract_p17_a_deadline_inside_of_an_operation_of_the_same_stream) {
  Stream s = cpu_stream();
  Gate gate;
  Runs runs = count_runs();
  std::optional<FailureKind> inside;
  array a = operation("outer", s, {}, [&, s](auto&, auto& outputs) {
    array blocked = plus(fill(1, s, {gate.pass()}), 1, s, {.runs = runs});
    EvalOptions options;
    options.deadline = std::chrono::steady_clock::now() + 1ms;
    try {
      eval({blocked}, options);
    } catch (const DeadlineError& error) {
      inside = error.failure()->kind;
    }
    fill_output(outputs[0], 7);
  });
  array behind = fill(2, s, {.runs = runs});
  async_eval(a, behind);
  EXPECT_TRUE(has_values(a, 7));
  EXPECT_EQ(inside, FailureKind::deadline);
  EXPECT_TRUE(has_values(behind, 2));
  gate.open();
  synchronize(s);
  EXPECT_EQ(*runs, 1) << "what has failed does not run";
}

TEST(Contract, contract_p17_a_deadline_inside_of_an_operation_for_another_stream) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  array theirs = fill(1, s2, {gate.pass()});
  async_eval(theirs);
  array a = operation("outer", s, {}, [&](auto&, auto& outputs) {
    EvalOptions options;
    options.deadline = std::chrono::steady_clock::now() + 1ms;
    EXPECT_THROW(eval({plus(theirs, 1, s)}, options), DeadlineError);
    fill_output(outputs[0], 7);
  });
  array behind = fill(2, s);
  async_eval(a, behind);
  EXPECT_TRUE(has_values(a, 7));
  EXPECT_TRUE(has_values(behind, 2)) << "nothing of the stream waits for theirs any more";
}

// --- P22 ---

struct Cancellable {
  std::stop_source stop;
  EvalOptions options;
  Cancellable() { options.stop = stop.get_token(); }
};

TEST(Contract, contract_p22_cancelling_is_a_kind_of_its_own) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  Gate gate;
  Cancellable evaluation;
  {
    array running = fill(7, s, {gate.pass()});
    array queued = plus(running, 1, s);
    async_eval({queued}, evaluation.options);
    gate.wait_until_reached();
    evaluation.stop.request_stop();
    for (const array& a : {running, queued}) {
      EXPECT_EQ(a.status(), array::Status::failed);
      EXPECT_THROW(a.wait(), CancelledError);
      EXPECT_EQ(a.failure()->kind, FailureKind::cancelled);
    }
    EXPECT_EQ(running.failure(), queued.failure());
    gate.open();
    synchronize(s);
    EXPECT_EQ(running.status(), array::Status::failed) << "never a success afterwards";
    retry({queued});
    EXPECT_TRUE(has_values(queued, 8));
  }
  EXPECT_THAT(unobserved.messages(), ElementsAre());
}

TEST(Contract, contract_p22_what_others_want_goes_on) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  Cancellable evaluation;
  Runs runs = count_runs();
  array shared = fill(1, s, {gate.pass(), runs});
  array deep = plus(shared, 1, s, {.runs = runs});
  array mine = plus(deep, 1, s, {.runs = runs});
  array theirs = plus(deep, 10, s2, {.runs = runs});
  async_eval({mine}, evaluation.options);
  async_eval(theirs);
  gate.wait_until_reached();
  evaluation.stop.request_stop();
  EXPECT_EQ(mine.failure()->kind, FailureKind::cancelled);
  gate.open();
  theirs.wait();
  EXPECT_TRUE(has_values(theirs, 12));
  EXPECT_TRUE(has_values(deep, 2));
  EXPECT_EQ(mine.status(), array::Status::failed);
  EXPECT_EQ(*runs, 3);
  retry({mine});
  EXPECT_TRUE(has_values(mine, 3));
  EXPECT_EQ(*runs, 4);
}

TEST(Contract, contract_p22_somebody_who_waits_wants_it) {
  Stream s = cpu_stream();
  Gate gate;
  Cancellable evaluation;
  array a = fill(7, s, {gate.pass()});
  async_eval({a}, evaluation.options);
  gate.wait_until_reached();
  eval(std::vector<array>{}, {});
  async_eval(a);  // another asks for the same
  evaluation.stop.request_stop();
  EXPECT_EQ(a.status(), array::Status::evaluated);
  gate.open();
  a.wait();
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_p22_what_has_its_value_keeps_it) {
  Stream s = cpu_stream();
  Gate gate;
  Cancellable evaluation;
  array done = fill(1, s);
  array blocked = plus(done, 1, s, {gate.pass()});
  async_eval({blocked, done}, evaluation.options);
  gate.wait_until_reached();
  evaluation.stop.request_stop();
  EXPECT_TRUE(has_values(done, 1));
  EXPECT_EQ(blocked.failure()->kind, FailureKind::cancelled);
}

TEST(Contract, contract_p22_a_stop_before_and_after_the_evaluation) {
  Stream s = cpu_stream();
  Gate gate;
  array blocker = fill(0, s, {gate.pass()});
  async_eval(blocker);
  gate.wait_until_reached();
  Cancellable evaluation;
  evaluation.stop.request_stop();
  array a = fill(7, s);
  EXPECT_THROW(eval({a}, evaluation.options), CancelledError);
  gate.open();
  Cancellable later;
  retry({a}, later.options);
  later.stop.request_stop();
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_p22_cancelling_many_steps_takes_time_linear_in_them) {
  Stream s = cpu_stream();
  Gate gate;
  Cancellable evaluation;
  array a = fill(0, s, {gate.pass()});
  const int n = 20000;
  for (int i = 0; i < n; ++i) a = copy(a, s);
  array wanted = a;
  array mine = copy(a, s);
  async_eval({mine}, evaluation.options);
  async_eval(wanted);
  gate.wait_until_reached();
  evaluation.stop.request_stop();
  EXPECT_EQ(mine.failure()->kind, FailureKind::cancelled);
  gate.open();
  wanted.wait();
  EXPECT_TRUE(has_values(wanted, 0));
}

TEST(Contract, contract_p22_progress_counts_steps_up_to_all) {
  Stream s = cpu_stream();
  std::vector<size_t> done;
  size_t total = 0;
  EvalOptions options;
  options.on_progress = [&](const EvalProgress& progress) {
    done.push_back(progress.steps_done);
    total = progress.steps_total;
  };
  array a = plus(plus(plus(fill(1, s), 1, s), 1, s), 1, s);
  eval({a}, options);
  EXPECT_THAT(done, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(total, 4u);
}

TEST(Contract, contract_p22_a_handler_that_throws_at_the_last_step_cancels) {
  Stream s = cpu_stream();
  EvalOptions options;
  options.on_progress = [](const EvalProgress& progress) {
    if (progress.steps_done == progress.steps_total) throw std::runtime_error("no more");
  };
  array a = fill(1, s), b = plus(a, 1, s);
  EXPECT_THROW(eval({b}, options), CancelledError);
  EXPECT_TRUE(has_values(a, 1));
  retry({b});
  EXPECT_TRUE(has_values(b, 2));
}

TEST(Contract, contract_p22_the_handler_is_not_called_after_the_wait) {
  Stream s = cpu_stream();
  Gate gate;
  auto n_calls = count_runs();
  EvalOptions options;
  options.on_progress = [=](const EvalProgress&) { ++*n_calls; };
  std::stop_source stop;
  options.stop = stop.get_token();
  array a = fill(1, s, {gate.pass()});
  std::thread stopping([&] {
    gate.wait_until_reached();
    stop.request_stop();
  });
  EXPECT_THROW(eval({a}, options), CancelledError);
  stopping.join();
  gate.open();
  settle_everything();
  EXPECT_EQ(*n_calls, 0);
}

}  // namespace
}  // namespace tarn::contract
