// Programs B, C, D, E and L of the contract's table: load, forks, blocked work, memory and threads.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "tests/contract/faulty_lapack.h"
#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

TEST(Contract, contract_b01_a_batch_that_cannot_be_built_leaves_no_wait_hanging) {
  Stream s = cpu_stream();
  array older = fail("older", s);
  EXPECT_EQ(root_of([&] { eval(older); }), "older");

  array good = fill(7, s);
  array traced = plus(good, 1, s);
  traced.set_tracer(true);
  array top = plus(traced, 1, s);
  EXPECT_THROW(async_eval(top), std::invalid_argument);
  EXPECT_THROW(eval(good, top), std::invalid_argument);

  eval(good);
  EXPECT_TRUE(has_values(good, 7));
  EXPECT_EQ(root_of([&] { older.wait(); }), "older");
  EXPECT_EQ(root_of([&] { synchronize(s); }), "older");
}

TEST(Contract, contract_b02_many_failures_among_values) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kRounds = 2'000;
#else
  constexpr int kRounds = 100'000;
#endif
  for (int round = 0; round < kRounds; ++round) {
    array bad = fail("bad", s);
    std::vector<array> all{bad};
    for (int i = 0; i < 8; ++i) all.push_back(fill(float(i), s));
    ASSERT_NO_THROW(async_eval(all));
    for (int i = 0; i < 8; ++i) {
      all[1 + i].wait();
      ASSERT_TRUE(has_values(all[1 + i], float(i)));
    }
    if (round % 2 == 0) {
      ASSERT_EQ(root_of([&] { bad.wait(); }), "bad");
    }
  }
  settle_everything();
  EXPECT_EQ(unobserved.messages().size(), size_t(kRounds / 2));
}

TEST(Contract, contract_b03_failing_evals_then_a_healthy_one) {
  Stream s = cpu_stream();
  for (int i = 0; i < 1000; ++i) {
    array a = fail("A", s);
    ASSERT_EQ(root_of([&] { eval(a); }), "A");
  }
  array healthy = fill(7, s);
  eval(healthy);
  EXPECT_TRUE(has_values(healthy, 7));
}

TEST(Contract, contract_b06_deadline_ends_the_wait_for_a_blocked_operation) {
  const Stream s = cpu_stream();
  expect_a_deadline_at_a_gate_to_end_it([s](Gate::Pass pass) { return fill(7, s, {pass}); },
                                        [](const array& a) { return has_values(a, 7); });
}

TEST(Contract, contract_b06_cancelling_ends_the_wait_for_a_blocked_operation) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fill(7, s, {gate.pass()});
  std::stop_source stop;
  EvalOptions options;
  options.stop = stop.get_token();
  std::thread canceller([&] {
    gate.wait_until_reached();
    stop.request_stop();
  });
  EXPECT_THROW(eval({a}, options), CancelledError);
  canceller.join();
  gate.open();
  retry({a});
  EXPECT_TRUE(has_values(a, 7));
}

TEST(Contract, contract_c01_a_healthy_operation_with_temporaries_while_another_fails) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  for (int i = 0; i < 50; ++i) {
    Gate gate;
    array x = full({1000}, float(i), s);
    array inner = abs(negative(x, s), s);
    array temporaries = add(exp(inner * 0.0f, s), sqrt(square(inner, s), s), s);
    array healthy = plus(temporaries, 1, s, {gate.pass()});
    array failing = plus(fail("A", s2), 1, s2);
    async_eval(healthy, failing);
    EXPECT_EQ(root_of([&] { failing.wait(); }), "A");
    gate.open();
    healthy.wait();
    EXPECT_TRUE(has_values(healthy, float(i) + 2));
  }
}

TEST(Contract, contract_c03_two_threads_wait_on_one_array) {
  Stream s = cpu_stream();
  for (int i = 0; i < 100; ++i) {
    Gate gate;
    array good = fill(7, s, {gate.pass()});
    array bad = fail("A", s);
    async_eval(good, bad);
    auto wait_and_read = [&] {
      good.wait();
      EXPECT_TRUE(has_values(good, 7));
      EXPECT_EQ(root_of([&] { bad.wait(); }), "A");
    };
    std::thread one(wait_and_read), two(wait_and_read);
    gate.open();
    one.join();
    two.join();
  }
}

TEST(Contract, contract_c04_two_to_the_40_elements) {
  Stream s = cpu_stream();
  array one = array(1.0f);
  eval(one);
  size_t active = get_active_memory();
  {
    array huge = broadcast_to(one, {1 << 20, 1 << 20}, s) + one;
    EXPECT_THROW(eval(huge), OutOfMemoryError);
    EXPECT_EQ(huge.failure()->kind, FailureKind::out_of_memory);
    EXPECT_EQ(get_active_memory(), active);
  }
  EXPECT_EQ(get_active_memory(), active);
  array after = add(one, one, s);
  EXPECT_EQ(after.item<float>(), 2);
}

size_t count_threads() {
  auto entries = std::filesystem::directory_iterator("/proc/self/task");
  return size_t(std::distance(begin(entries), end(entries)));
}

TEST(Contract, contract_c05_short_threads_leave_no_threads_and_streams_behind) {
  array x = array({1.0f, 2.0f, 3.0f});
  auto evaluate = [&x] {
    array quick = x + 1.0f;
    array on_a_worker = plus(x, 1, default_stream(Device::cpu));
    eval(quick, on_a_worker);
    EXPECT_EQ(value_of(quick), 2);
    EXPECT_EQ(value_of(on_a_worker), 2);
  };
  std::thread(evaluate).join();
  size_t n_threads = count_threads();
  size_t n_streams = get_streams().size();
  for (int i = 0; i < 200; ++i) std::thread(evaluate).join();
  EXPECT_EQ(get_streams().size(), n_streams);
  // A worker may have come to life before the one that was about to ask for work again had done so.
  EXPECT_LE(count_threads(), n_threads + 1);
}

TEST(Contract, contract_c06_destructors_while_a_failure_unwinds) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  Gate gate;
  try {
    array seen = fail("seen", s);
    array unseen = plus(fail("unseen", s), 1, s);
    array pending = fill(1, s, {gate.pass()});
    array behind = plus(pending, 1, s);
    async_eval(seen, unseen);
    unseen.event().wait(s);
    async_eval(behind);
    eval(seen);
    FAIL() << "nothing was thrown";
  } catch (const EvalError& error) {
    EXPECT_EQ(error.failure()->message, "seen");
  }
  gate.open();
  settle_everything();
  EXPECT_EQ(unobserved.messages(), std::vector<std::string>{"unseen"});
}

TEST(Contract, contract_d01_synchronize_drains_before_it_throws) {
  Stream s = cpu_stream();
  Gate gate;
  array early = fail("early", s);
  array long_work = fill(1, s, {gate.pass()});
  array last = plus(long_work, 1, s);
  async_eval(early, last);
  std::thread opener([&] {
    gate.wait_until_reached();
    EXPECT_EQ(early.status(), array::Status::failed);
    gate.open();
  });
  EXPECT_EQ(root_of([&] { synchronize(s); }), "early");
  EXPECT_TRUE(last.is_available());
  EXPECT_TRUE(has_values(last, 2));
  opener.join();
}

TEST(Contract, contract_d02_available_only_when_complete) {
  Stream s = cpu_stream();
  array x = full({1 << 16}, 1.0f, s);
  eval(x);
  for (int round = 0; round < 50; ++round) {
    array a = add(multiply(x, x, s), x, s);
    std::thread poller([&a] {
      while (!a.is_available()) std::this_thread::yield();
      EXPECT_TRUE(has_values(a, 2));
    });
    eval(a);
    poller.join();
  }
}

// No matrix is known for which LAPACK does not converge: so it is made to say that it did not.
TEST(Contract, contract_e09_a_decomposition_that_does_not_converge_is_a_numerical_failure) {
  const Stream s = cpu_stream();
  const array m = array({2.0f, 1.0f, 1.0f, 3.0f}, {2, 2});
  const std::pair<const char*, std::vector<array>> cases[] = {
      {"svd", linalg::svd(m, s)},
      {"svd", linalg::svd(m, false, s)},
      {"eigh", {linalg::eigh(m, "L", s).first}},
      {"eigh", {linalg::eigvalsh(m, "L", s)}},
      {"eig", {linalg::eig(m, s).second}},
  };
  for (const auto& [op, outputs] : cases) {
    SCOPED_TRACE(op);
    const array dependent = sum(outputs[0], s);
    {
      const NoConvergence fault;
      EXPECT_THROW(eval(dependent), NumericalError);
    }
    for (const array& output : outputs) {
      EXPECT_THROW(output.data<uint8_t>(), NumericalError);
      ASSERT_TRUE(output.failure());
      EXPECT_EQ(output.failure()->kind, FailureKind::numerical);
      EXPECT_EQ(output.failure()->op, op);
      EXPECT_NE(output.failure()->message.find("converge"), std::string::npos);
    }
    EXPECT_THROW(dependent.data<uint8_t>(), NumericalError);
    retry({dependent});
    EXPECT_TRUE(outputs[0].is_available());
  }
}

TEST(Contract, contract_e09_cholesky_and_inverse_report_numerical_failures) {
  Stream s = cpu_stream();
  array indefinite({1.0f, 2.0f, 2.0f, 1.0f}, {2, 2});
  array factor = linalg::cholesky(indefinite, false, s);
  EXPECT_THROW(eval(factor), NumericalError);
  EXPECT_THROW(factor.data<float>(), NumericalError);
  EXPECT_EQ(factor.failure()->kind, FailureKind::numerical);

  array singular({1.0f, 2.0f, 2.0f, 4.0f}, {2, 2});
  array inverse = linalg::inv(singular, s);
  EXPECT_THROW(eval(inverse), NumericalError);
  array solution = linalg::solve(singular, array({1.0f, 1.0f}), s);
  EXPECT_THROW(eval(solution), NumericalError);

  array healthy = linalg::inv(array({2.0f, 0.0f, 0.0f, 4.0f}, {2, 2}), s);
  eval(healthy);
  EXPECT_EQ(value_of(healthy), 0.5f);
}

// A blocked operation on s, dependents on s and s2 queued before it fails.
TEST(Contract, contract_l03_every_dependent_throws_in_each_order_of_waiting) {
  std::vector<int> order{0, 1, 2, 3};
  do {
    Stream s = cpu_stream(), s2 = cpu_stream();
    Gate gate;
    array reading = fail("read", s, {gate.pass()});
    std::vector<array> waited_for{reading, plus(reading, 1, s), plus(reading, 2, s2)};
    waited_for.push_back(sum_of({waited_for[1], waited_for[2]}, s));
    async_eval(waited_for);
    gate.wait_until_reached();
    gate.open();
    for (int i : order) EXPECT_EQ(root_of([&] { waited_for[i].wait(); }), "read");
    for (const array& a : waited_for) EXPECT_EQ(a.failure(), reading.failure());
  } while (std::next_permutation(order.begin(), order.end()));
}

void d03() {
  Stream s = default_stream(Device::cpu);
  array a = fail("A", s);
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  EXPECT_EQ((array(1.0f) + 1.0f).item<float>(), 2);
  EXPECT_EQ(root_of([&] { synchronize(s); }), "A");
}

// In a process of its own, where the first use of everything is the thread's.
TEST(ContractDeathTest, contract_d03_first_use_from_a_worker_thread) {
  EXPECT_EXIT(
      {
        std::thread(d03).join();
        std::exit(testing::Test::HasFailure() ? 1 : 0);
      },
      testing::ExitedWithCode(0), testing::Eq(""));
}

}  // namespace
}  // namespace tarn::contract
