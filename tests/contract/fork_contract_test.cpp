// What a process may expect at its end and after fork (P13, P18, B4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::Not;

constexpr unsigned kChildLimitSeconds = 60;

#ifdef __SANITIZE_THREAD__
#define SKIP_WITHOUT_THREADS_IN_CHILDREN() \
  GTEST_SKIP() << "ThreadSanitizer cannot start threads in the child of a fork"
#else
#define SKIP_WITHOUT_THREADS_IN_CHILDREN() static_cast<void>(0)
#endif
// For forks while another thread allocates.
#ifdef __SANITIZE_ADDRESS__
#define SKIP_WITH_A_LOCKED_ALLOCATOR() \
  GTEST_SKIP() << "AddressSanitizer's own allocator may stay locked in the child (GCC 12)"
#else
#define SKIP_WITH_A_LOCKED_ALLOCATOR() static_cast<void>(0)
#endif

// Runs `body` in a child of fork(). Returns whether it returned true in time.
template <class Body>
testing::AssertionResult in_child(Body body) {
  pid_t child = fork();
  if (child == 0) {
    alarm(kChildLimitSeconds);  // a child that hangs is killed
    bool ok = false;
    try {
      ok = body();
    } catch (const std::exception& error) {
      fprintf(stderr, "in the child: %s\n", error.what());
    }
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return testing::AssertionFailure() << "the child was ended by signal " << WTERMSIG(status);
  }
  if (WEXITSTATUS(status) != 0) return testing::AssertionFailure() << "false in the child";
  return testing::AssertionSuccess();
}

TEST(Contract, contract_b04_the_child_of_a_fork_evaluates) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  Stream s = cpu_stream();
  array a = fill(7, s);
  eval(a);
  EXPECT_TRUE(in_child([&] {
    array b = plus(a, 1, s);
    array c = b + 1.0f;
    eval(c);
    array d = fail("A", s);
    return value_of(c) == 9 && root_of([&] { eval(d); }) == "A";
  }));
  array after = plus(a, 1, s);
  eval(after);
  EXPECT_TRUE(has_values(after, 8));
}

// The libraries below have threads of their own, which the child lacks.
TEST(Contract, contract_p18_large_kernels_run_in_the_child) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  Stream s = cpu_stream();
  array a = full({512, 512}, 2.0f, s) + eye(512, float32, s);
  auto run_all = [&] {
    array product = matmul(a, a, s), inverse = linalg::inv(a, s), sums = sum(exp(a, s), s);
    eval(product, inverse, sums);
    return value_of(product) == 2 * 2 * 511 + 9;
  };
  EXPECT_TRUE(run_all());
  EXPECT_TRUE(in_child(run_all));
}

TEST(Contract, contract_p18_work_pending_at_a_fork_is_abandoned_in_the_child) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  array running = fill(7, s, {gate.pass()});
  array queued = plus(running, 1, s);
  array parked = plus(running, 1, s2);
  async_eval(running, queued, parked);
  gate.wait_until_reached();
  EXPECT_TRUE(in_child([&] {
    for (const array& a : {running, queued, parked}) {
      if (root_of([&] { a.wait(); }) == "") return false;
      if (a.failure()->kind != FailureKind::abandoned) return false;
    }
    array fresh = fill(1, s), also = plus(fresh, 1, s2);
    eval(fresh, also);
    return value_of(also) == 2 && root_of([&] { synchronize(s2); }) != "";
  }));
  gate.open();
  parked.wait();
  queued.wait();
  EXPECT_TRUE(has_values(queued, 8));
  EXPECT_TRUE(has_values(parked, 8));
}

TEST(Contract, contract_p18_a_waiter_in_the_child_of_an_event_throws_at_once) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  Stream s = cpu_stream();
  Gate gate;
  array running = fill(7, s, {gate.pass()});
  async_eval(running);
  gate.wait_until_reached();
  Event event(s);
  event.signal(s);
  EXPECT_TRUE(in_child([&] {
    try {
      event.wait();
    } catch (const AbandonedError&) {
      return true;
    }
    return false;
  }));
}

// The fork may fall into any moment of an evaluation that another thread plans, runs or publishes.
TEST(Contract, contract_p18_forks_at_any_moment_of_another_threads_evals) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  SKIP_WITH_A_LOCKED_ALLOCATOR();
  Stream s = cpu_stream();
  array base = fill(1, s);
  eval(base);
  std::atomic<bool> stop = false;
  std::thread evaluating([&] {
    while (!stop) {
      array a = base;
      for (int i = 0; i < 200; ++i) a = add(a, base, i % 3 ? s : default_stream(Device::cpu));
      eval(a);
      EXPECT_EQ(value_of(a), 201);
    }
  });
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(in_child([&] {
      array b = plus(add(base, base, s), 1, s);
      eval(b);
      return value_of(b) == 3;
    }));
  }
  stop = true;
  evaluating.join();
}

// Nodes that the parent's thread was planning must not look claimed for ever in the child.
TEST(Contract, contract_p18_a_fork_while_another_thread_plans_a_shared_graph) {
  SKIP_WITHOUT_THREADS_IN_CHILDREN();
  SKIP_WITH_A_LOCKED_ALLOCATOR();
  Stream s = cpu_stream();
  array x = full({4}, 1.0f, s);
  for (int i = 0; i < 20; ++i) {
    array shared = x;
    for (int k = 0; k < 20000; ++k) shared = abs(shared, s);
    std::atomic<bool> begun = false;
    std::thread planning([&] {
      begun = true;
      eval(shared);
    });
    while (!begun) std::this_thread::yield();
    EXPECT_TRUE(in_child([&] {
      try {
        eval(shared);
        return value_of(shared) == 1;
      } catch (const AbandonedError&) {
        return true;
      }
    }));
    planning.join();
  }
}

TEST(ContractDeathTest, contract_p13_at_exit_observed_failures_are_not_told_again) {
  EXPECT_EXIT(
      {
        array seen = fail("seen", cpu_stream());
        array unseen = plus(fail("unseen", cpu_stream()), 1, cpu_stream());
        async_eval(seen, unseen);
        root_of([&] { seen.wait(); });
        std::exit(0);
      },
      ExitedWithCode(0), testing::AllOf(HasSubstr("unseen"), Not(HasSubstr("] seen"))));
}

TEST(ContractDeathTest, contract_p13_at_exit_the_hook_is_called) {
  EXPECT_EXIT(
      {
        set_unobserved_failure_handler([](const Failure& failure) {
          fprintf(stderr, "handler got %s", failure.message.c_str());
        });
        array unseen = fail("unseen", cpu_stream());
        async_eval(unseen);
        std::exit(0);
      },
      ExitedWithCode(0), "handler got unseen$");
}

TEST(ContractDeathTest, contract_p18_queued_work_is_finished_at_exit) {
  EXPECT_EXIT(
      {
        Stream s = cpu_stream();
        array a = fill(0, s);
        for (int i = 0; i < 100; ++i) a = plus(a, 1, s);
        array last = operation("last", s, {a}, [](auto& inputs, auto& outputs) {
          fprintf(stderr, "the last value is %g", double(value_of(inputs[0])));
          fill_output(outputs[0], 0);
        });
        async_eval(last);
        std::exit(3);
      },
      ExitedWithCode(3), "the last value is 100$");
}

TEST(ContractDeathTest, contract_p18_exit_does_not_wait_for_ever) {
  EXPECT_EXIT(
      {
        setenv("TARN_EXIT_TIMEOUT_MS", "50", 1);
        Gate* never_opened = new Gate;
        array a = fill(7, cpu_stream(), {never_opened->pass()});
        array* leaked = new array(plus(a, 1, cpu_stream()));
        async_eval(*leaked);
        never_opened->wait_until_reached();
        std::exit(4);
      },
      ExitedWithCode(4), "");
}

array& array_in_static_storage() {
  static array a = fail("in static storage", cpu_stream());
  return a;
}

TEST(ContractDeathTest, contract_p18_arrays_in_static_storage_outlive_the_end_of_main) {
  EXPECT_EXIT(
      {
        async_eval(array_in_static_storage());
        std::exit(5);
      },
      ExitedWithCode(5), "in static storage");
}

TEST(ContractDeathTest, contract_p14_an_exception_of_a_handler_at_exit_ends_nothing) {
  EXPECT_EXIT(
      {
        set_unobserved_failure_handler([](const Failure&) { throw 42; });
        array unseen = fail("unseen", cpu_stream());
        async_eval(unseen);
        std::exit(6);
      },
      ExitedWithCode(6), "");
}

}  // namespace
}  // namespace tarn::contract
