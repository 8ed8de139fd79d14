// P4, P21, P25 and P26: what is computed again, what is not, and that memory is a failure like
// another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tarn/runtime/memory_testing.h"
#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

using memory_testing::AllocationFault;
using memory_testing::Fail;

// --- P4 ---

std::vector<array> numeric_program(Stream s, Stream s2, int n_failures) {
  array x = arange(0.0, 1.0, 1.0 / 97, s);
  array y = exp(sin(x * 3.7f, s), s);
  array stage = operation(
      "stage", s2, {y},
      [left = std::make_shared<int>(n_failures)](auto& inputs, auto& outputs) {
        if ((*left)-- > 0) throw std::runtime_error("A");
        outputs[0].copy_shared_buffer(inputs[0]);
      },
      y.shape());
  array z = tanh(stage * y + x, s);
  return {y, z, sum(z, s), sqrt(abs(z, s2), s2)};
}

bool same_bits(const array& a, const array& b) {
  return a.nbytes() == b.nbytes() &&
         std::memcmp(a.data<uint8_t>(), b.data<uint8_t>(), a.nbytes()) == 0;
}

TEST(Contract, contract_p04_values_of_a_run_with_faults_are_bit_identical) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  std::vector<array> golden = numeric_program(s, s2, 0);
  eval(golden);
  std::vector<array> faulty = numeric_program(s, s2, 2);
  EXPECT_EQ(root_of([&] { eval(faulty); }), "A");
  EXPECT_TRUE(same_bits(faulty[0], golden[0]));
  EXPECT_EQ(root_of([&] { retry(faulty); }), "A");
  retry(faulty);
  for (size_t i = 0; i < golden.size(); ++i) EXPECT_TRUE(same_bits(faulty[i], golden[i])) << i;
}

TEST(Contract, contract_p04_values_of_a_run_without_memory_are_bit_identical) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  std::vector<array> golden = numeric_program(s, s2, 0);
  eval(golden);
  for (Fail mode : {Fail::once, Fail::from_then_on}) {
    for (uint64_t n = 1;; ++n) {
      std::vector<array> faulty = numeric_program(s, s2, 0);
      uint64_t tried;
      {
        AllocationFault fault(n, mode);
        EvalReport report = try_eval(faulty);
        for (const EvalReport::Entry& entry : report.arrays) {
          if (!entry.failure) continue;
          EXPECT_EQ(entry.failure->kind, FailureKind::out_of_memory);
        }
        settle_everything();
        tried = fault.tried();
      }
      retry(faulty);
      for (size_t i = 0; i < golden.size(); ++i) {
        EXPECT_TRUE(same_bits(faulty[i], golden[i])) << "output " << i << ", fault " << n;
      }
      if (tried < n) break;
    }
  }
}

// --- P21 ---

TEST(Contract, contract_p21_past_the_limit_is_a_failure_and_can_be_retried) {
  Stream s = cpu_stream();
  settle_everything();
  clear_cache();
  size_t active = get_active_memory();
  // Room for three arrays of 4 MiB, not for two beside `big`: a worker that has yet to drop a step
  // may keep one from being written over.
  size_t limit = set_memory_limit(active + (14 << 20));
  {
    std::optional<array> big = full({2 << 20}, 2.0f, s);
    eval(*big);
    array more = full({1 << 20}, 1.0f, s) + array(2.0f);
    array and_more = broadcast_to(array(1.0f), {1 << 20}, s) + more;
    EXPECT_THROW(eval(and_more), OutOfMemoryError);
    EXPECT_TRUE(has_values(*big, 2));
    big.reset();
    // Or keep big's memory.
    while (get_active_memory() > active + (6 << 20)) std::this_thread::yield();
    retry({and_more});
    EXPECT_TRUE(has_values(and_more, 4));
    array later = fill(7, s);
    eval(later);
    EXPECT_TRUE(has_values(later, 7));
  }
  set_memory_limit(limit);
  settle_everything();
  EXPECT_EQ(get_active_memory(), active);
}

TEST(Contract, contract_p21_at_every_allocation_of_an_operation) {
  Stream s = cpu_stream();
  auto build = [&] {
    array x = arange(0, 12, s);
    array user = operation("user", s, {x}, [](auto& inputs, auto& outputs) {
      fill_output(outputs[0], float(inputs[0].template data<int>()[11]));
    });
    array m = reshape(transpose(reshape(x, {3, 4}, s), s), {12}, s);
    return std::vector<array>{user, m, astype(m, float32, s) * 2.0f, concatenate({x, m}, 0, s)};
  };
  std::vector<array> golden = build();
  eval(golden);
  uint64_t n = 1;
  for (bool all_fine = false; !all_fine; ++n) {
    std::vector<array> arrays = build();
    {
      AllocationFault fault(n);
      EvalReport report = try_eval(arrays);
      settle_everything();
      all_fine = fault.tried() < n;
      EXPECT_EQ(report.ok(), all_fine) << "an allocation that nobody missed";
    }
    retry(arrays);
    for (size_t i = 0; i < arrays.size(); ++i) EXPECT_TRUE(same_bits(arrays[i], golden[i]));
  }
  EXPECT_GT(n, 5u);
}

// --- P25 ---

TEST(Contract, contract_p25_retry_runs_just_what_failed) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Runs settled = count_runs(), failing = count_runs(), dependent = count_runs(),
       beside = count_runs();
  array base = fill(1, s, {.runs = settled});
  array a = fail_at_first(2, "A", 10, s2, {.runs = failing}, {base});
  array b = sum_of({a, base}, s, {.runs = dependent});
  array other = plus(base, 1, s, {.runs = beside});
  EXPECT_EQ(root_of([&] { eval(b, other); }), "A");
  EXPECT_EQ(root_of([&] { retry({b, other}); }), "A");
  EXPECT_EQ(*failing, 2);
  EXPECT_EQ(*dependent, 0);
  retry({b, other});
  EXPECT_TRUE(has_values(b, 11));
  retry({b, other});
  EXPECT_EQ(*settled, 1);
  EXPECT_EQ(*failing, 3);
  EXPECT_EQ(*dependent, 1);
  EXPECT_EQ(*beside, 1);
}

TEST(Contract, contract_p25_only_what_the_arrays_depend_on) {
  Stream s = cpu_stream();
  Runs first_runs = count_runs(), second_runs = count_runs();
  array first = fail_at_first(1, "first", 1, s, {.runs = first_runs});
  array second = fail_at_first(1, "second", 2, s, {.runs = second_runs});
  array both = sum_of({first, second}, s);
  EXPECT_EQ(root_of([&] { eval(both); }), "first");
  retry({first});
  EXPECT_TRUE(has_values(first, 1));
  EXPECT_EQ(*second_runs, 1);
  EXPECT_EQ(root_of([&] { both.wait(); }), "first") << "both was not retried";
  retry({both});
  EXPECT_TRUE(has_values(both, 3));
  EXPECT_EQ(*first_runs, 2);
  EXPECT_EQ(*second_runs, 2);
}

TEST(Contract, contract_p25_all_outputs_of_a_node_are_retried) {
  Stream s = cpu_stream();
  auto outputs = array::make_arrays(
      {kShape, kShape}, {float32, float32},
      std::make_shared<Operation>(s, "pair",
                                  [left = std::make_shared<int>(1)](auto&, auto& outputs) {
                                    if ((*left)-- > 0) throw std::runtime_error("A");
                                    fill_output(outputs[0], 1);
                                    fill_output(outputs[1], 2);
                                  }),
      {});
  EXPECT_EQ(root_of([&] { eval(outputs); }), "A");
  retry({outputs[1]});
  EXPECT_TRUE(has_values(outputs[0], 1));
  EXPECT_TRUE(has_values(outputs[1], 2));
}

TEST(Contract, contract_p25_through_members_of_a_fused_group_without_a_handle) {
  Stream s = cpu_stream();
  Runs runs = count_runs();
  array a = fail_at_first(1, "A", 4, s, {.runs = runs});
  array result = sqrt(abs(negative(a, s), s), s);
  EXPECT_EQ(root_of([&] { eval(result); }), "A");
  retry({result});
  EXPECT_TRUE(has_values(result, 2));
  EXPECT_EQ(*runs, 2);
}

TEST(Contract, contract_p25_through_a_sum_of_what_is_in_no_memory) {
  Stream s = cpu_stream();
  Runs runs = count_runs();
  array a = fail_at_first(1, "A", 4, s, {.runs = runs});
  array total = max(sqrt(abs(negative(a, s), s), s), s);
  EXPECT_EQ(root_of([&] { eval(total); }), "A");
  retry({total});
  EXPECT_TRUE(has_values(total, 2));
  EXPECT_EQ(*runs, 2);
}

TEST(Contract, contract_p25_a_reduction_of_what_is_in_no_memory_whose_deadline_passed) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  array a = operation("gated", s, {}, [pass = gate.pass()](auto&, auto& outputs) {
    pass.go_through();
    fill_output(outputs[0], 7);
  });
  async_eval(a);
  array largest = max(multiply(a, a, s2), s2);
  EvalOptions past;
  past.deadline = std::chrono::steady_clock::now();
  EXPECT_THROW(eval({largest}, past), DeadlineError);
  gate.open();
  retry({largest});
  EXPECT_TRUE(has_values(largest, 49));
}

TEST(Contract, contract_p25_retrying_what_never_failed_evaluates_it) {
  Stream s = cpu_stream();
  Runs runs = count_runs();
  array a = fill(7, s, {.runs = runs});
  retry({a});
  retry({a});
  EXPECT_TRUE(has_values(a, 7));
  EXPECT_EQ(*runs, 1);
}

TEST(Contract, contract_p25_waiters_of_a_retried_array_see_the_new_outcome) {
  Stream s = cpu_stream();
  Gate gate;
  array a = operation("second_time_gated", s, {},
                      [n = std::make_shared<int>(0), pass = gate.pass()](auto&, auto& outputs) {
                        if ((*n)++ == 0) throw std::runtime_error("A");
                        pass.go_through();
                        fill_output(outputs[0], 7);
                      });
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  std::thread retrying([&] { retry({a}); });
  gate.wait_until_reached();
  EXPECT_EQ(a.status(), array::Status::evaluated);
  EXPECT_EQ(a.failure(), nullptr);
  gate.open();
  a.wait();
  EXPECT_TRUE(has_values(a, 7));
  retrying.join();
}

// A dependent that was queued when its input had failed must not wait for a retry that stands
// behind it in the same queue.
TEST(Contract, contract_p25_a_retry_behind_a_queued_dependent_ends) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fail_at_first(1, "A", 7, s);
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  array blocker = fill(0, s, {gate.pass()});
  array dependent = plus(a, 1, s);
  async_eval(blocker);
  async_eval(dependent);
  gate.wait_until_reached();
  std::thread retrying([&] { retry({a}); });
  while (a.status() != array::Status::evaluated) std::this_thread::yield();
  gate.open();
  retrying.join();
  EXPECT_TRUE(has_values(a, 7));
  EXPECT_EQ(root_of([&] { dependent.wait(); }), "A") << "it was scheduled when a had failed";
  retry({dependent});
  EXPECT_TRUE(has_values(dependent, 8));
}

TEST(Contract, contract_p25_a_retry_behind_a_dependent_on_a_stream_that_waits_ends) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  array a = fail_at_first(1, "A", 7, s);
  EXPECT_EQ(root_of([&] { eval(a); }), "A");
  array blocker = fill(0, s2, {gate.pass()});
  array dependent = plus(a, 1, s2);         // on s2, behind the blocker
  array behind = plus(fill(1, s2), 1, s2);  // behind the dependent
  array on_s = plus(behind, 1, s);          // s waits for it
  async_eval(blocker);
  async_eval(dependent);
  async_eval(on_s);
  gate.wait_until_reached();
  std::thread retrying([&] { retry({a}); });  // behind on_s
  while (a.status() != array::Status::evaluated) std::this_thread::yield();
  gate.open();
  retrying.join();
  EXPECT_TRUE(has_values(a, 7));
  EXPECT_TRUE(has_values(on_s, 3));
  EXPECT_EQ(root_of([&] { dependent.wait(); }), "A");
}

TEST(Contract, contract_p25_retries_waits_and_evals_of_many_threads) {
  UnobservedFailures unobserved;
  for (int round = 0; round < 30; ++round) {
    Stream s = default_stream(Device::cpu), s2 = cpu_stream();
    array a = fail_at_first(3, "A", 1, s);
    array b = negative(negative(abs(a, s), s), s);
    array c = plus(b, 1, s2);
    array d = add(b, c, s);
    std::vector<array> all{a, b, c, d};
    async_eval(all);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 6; ++i) {
          std::string root = root_of([&] {
            if (t % 2 == 0) {
              retry({all[(t + i) % 4]});
            } else {
              eval(plus(all[(t + i) % 4], 1, s2));
            }
          });
          EXPECT_TRUE(root == "" || root == "A") << root;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 4 && d.status() != array::Status::available; ++i) {
      root_of([&] { retry(all); });
    }
    EXPECT_TRUE(has_values(d, 3));
  }
}

// --- P26 ---

TEST(Contract, contract_p26_nothing_but_retry_runs_a_failed_node_again) {
  Stream s = cpu_stream();
  Runs runs = count_runs();
  array a = fail("A", s, {.runs = runs});
  array b = plus(a, 1, s);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(root_of([&] { eval(a); }), "A");
    EXPECT_EQ(root_of([&] { a.wait(); }), "A");
    EXPECT_EQ(root_of([&] { value_of(a); }), "A");
    EXPECT_EQ(root_of([&] { eval(b); }), "A");
    EXPECT_EQ(root_of([&] { eval(plus(a, 1, s)); }), "A");
    EXPECT_FALSE(try_eval({a, b}).ok());
    async_eval(a, b);
    on_settled(a, [](const array&) {});
  }
  settle_everything();
  EXPECT_EQ(*runs, 1);
  EXPECT_EQ(root_of([&] { retry({b}); }), "A");
  EXPECT_EQ(*runs, 2);
}

}  // namespace
}  // namespace tarn::contract
