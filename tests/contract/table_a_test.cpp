// Programs A of the contract's table: who learns of which failure, and who must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <sstream>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class F>
void on_another_thread(F f) {
  std::thread(f).join();
}

TEST(Contract, contract_a01_two_threads_wait_twice) {
  array a = fail("A", cpu_stream());
  async_eval(a);
  auto wait_twice = [&a] {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(root_of([&] { a.wait(); }), "A");
  };
  std::thread other(wait_twice);
  wait_twice();
  other.join();
}

TEST(Contract, contract_a02_a_caught_failure_is_not_used_up) {
  array a = fail("A", cpu_stream());
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  array b = a + 1.0f;
  EXPECT_EQ(root_of([&] { eval(b); }), "A");
  std::ostringstream text;
  EXPECT_EQ(root_of([&] { text << a; }), "A");
  EXPECT_EQ(text.str(), "");
}

void a03() {
  Stream s = cpu_stream();
  array a = fail("A", s);
  async_eval(a);
  array c = fill(7, s);
  eval(c);
  EXPECT_TRUE(has_values(c, 7));
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
}

TEST(Contract, contract_a03_later_work_of_the_stream_is_healthy) { a03(); }

TEST(Contract, contract_a04_as_a03_on_another_thread) { on_another_thread(a03); }

TEST(Contract, contract_a05_a_failure_dropped_unseen_goes_to_the_hook_once) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  {
    array a = fail("A", s);
    async_eval(a);
  }
  array c = fill(7, s);
  eval(c);
  EXPECT_TRUE(has_values(c, 7));
  EXPECT_THAT(unobserved.messages(), ElementsAre("A"));
}

TEST(Contract, contract_a06_each_array_throws_its_own) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fail("A", s, {gate.pass()});
  array b = fail("B", s);
  async_eval(a);
  async_eval(b);
  gate.open();
  EXPECT_EQ(root_of([&] { b.wait(); }), "B");
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
}

TEST(Contract, contract_a07_a_failure_does_not_stop_the_stream) {
  Stream s = cpu_stream();
  array a = fail("A", s);
  array c = fill(7, s);
  async_eval(a, c);
  c.wait();
  EXPECT_TRUE(has_values(c, 7));
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
}

TEST(Contract, contract_a08_a_failure_that_crossed_streams_stays_with_its_array) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array a = fail("A", s);
  array b = plus(a, 1, s2);
  EXPECT_EQ(root_of([&] { eval(b); }), "A");
  array c = fill(7, s);
  eval(c);
  EXPECT_TRUE(has_values(c, 7));
}

TEST(Contract, contract_a09_synchronize_takes_nothing_from_a_dependent) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate busy;
  array work = fill(0, s2, {busy.pass()});
  array a = fail("A", s);
  array b = plus(a, 1, s2);
  async_eval(work);
  async_eval(b);
  EXPECT_EQ(root_of([&] { synchronize(s); }), "A");
  EXPECT_EQ(b.status(), array::Status::evaluated);
  busy.open();
  EXPECT_EQ(root_of([&] { b.wait(); }), "A");
}

TEST(Contract, contract_a10_an_old_success_is_not_blamed_for_a_new_failure) {
  Stream s = cpu_stream();
  array a = fail("A", s);
  array a2 = fill(2, s);
  async_eval(a, a2);
  synchronize(cpu_stream());
  array y = fail("Y", s);
  async_eval(y);
  a2.wait();
  EXPECT_TRUE(has_values(a2, 2));
  EXPECT_EQ(root_of([&] { y.wait(); }), "Y");
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
}

TEST(Contract, contract_a11_failures_of_two_streams_are_told_apart) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array e2 = fail("E2", s2);
  array a = fail("A", s);
  array b = plus(a, 1, s2);
  async_eval(e2);
  async_eval(b);
  EXPECT_EQ(root_of([&] { b.wait(); }), "A");
  EXPECT_EQ(root_of([&] { e2.wait(); }), "E2");
}

TEST(Contract, contract_a12_polling_never_throws_and_changes_nothing) {
  array a = fail("A", cpu_stream());
  EXPECT_EQ(a.status(), array::Status::unscheduled);
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  FailurePtr record = a.failure();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(a.is_available());
    EXPECT_EQ(a.status(), array::Status::failed);
    EXPECT_EQ(a.failure(), record);
    EXPECT_TRUE(a.event().is_signaled());
  }
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
  static_assert(noexcept(a.is_available())&& noexcept(a.status())&& noexcept(a.failure()));
}

TEST(Contract, contract_a13_bad_alloc_is_out_of_memory_and_42_is_nested) {
  Stream s = cpu_stream();
  array no_memory = fail_with([] { throw std::bad_alloc(); }, s);
  EXPECT_THROW(eval(no_memory), OutOfMemoryError);
  EXPECT_EQ(no_memory.failure()->kind, FailureKind::out_of_memory);

  array odd = fail_with([] { throw 42; }, s);
  try {
    eval(odd);
    FAIL() << "nothing was thrown";
  } catch (const EvalError& error) {
    EXPECT_EQ(error.failure()->kind, FailureKind::operation);
    try {
      error.rethrow_nested();
    } catch (int nested) {
      EXPECT_EQ(nested, 42);
    }
  }
}

int count_lines(const std::string& text) { return int(std::count(text.begin(), text.end(), '\n')); }

TEST(ContractDeathTest, contract_a15_a_failure_never_observed_is_one_line_at_exit) {
  auto is_one_line_naming_it = testing::ResultOf(
      [](const std::string& text) {
        return count_lines(text) == 1 && text.find("the only one") != std::string::npos &&
               text.find("[fail]") != std::string::npos;
      },
      true);
  EXPECT_EXIT(
      {
        array a = fail("the only one", cpu_stream());
        async_eval(a);
        std::exit(0);
      },
      testing::ExitedWithCode(0), is_one_line_naming_it);
}

}  // namespace
}  // namespace tarn::contract
