// P1 to P13: whose bytes may be read, who learns of which failure, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <sstream>
#include <system_error>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class Error final : public std::exception {};

// --- P1 ---

TEST(Contract, contract_p01_no_byte_of_a_failed_node_can_be_read) {
  Stream s = cpu_stream();
  array a = operation("half", s, {}, [](auto&, auto& outputs) {
    fill_output(outputs[0], 13);
    throw std::runtime_error("after the write");
  });
  async_eval(a);
  const array& constant = a;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(a.data<float>(), EvalError);
    EXPECT_THROW(constant.data<float>(), EvalError);
    EXPECT_THROW(a.buffer(), EvalError);
    EXPECT_THROW(constant.buffer(), EvalError);
    EXPECT_THROW(a.buffer_size(), EvalError);
    EXPECT_THROW(a.strides(), EvalError);
    EXPECT_THROW(a.flags(), EvalError);
    EXPECT_THROW(a.data_size(), EvalError);
    EXPECT_THROW(a.offset(), EvalError);
    std::ostringstream text;
    EXPECT_THROW(text << a, EvalError);
  }
  array scalar = operation(
      "half", s, {}, [](auto&, auto&) { throw std::runtime_error("A"); }, Shape{});
  EXPECT_THROW(scalar.item<float>(), EvalError);
  EXPECT_THROW(std::as_const(scalar).item<float>(), EvalError);
  array element = operation(
      "half", s, {}, [](auto&, auto&) { throw std::runtime_error("A"); }, Shape{1});
  for (const array& row : element) EXPECT_THROW(eval(row), EvalError);
}

TEST(Contract, contract_p01_no_operation_reads_a_failed_input) {
  Stream s = cpu_stream();
  Runs runs = count_runs();
  array a = fail("A", s);
  array by_user = plus(a, 1, s, {.runs = runs});
  array elementwise = a + 1.0f;
  array as_view = reshape(a, {3, 1}, s);
  array by_kernel = sum(a, s);
  array forwarded = copy(a, s);
  array ordered = depends({array({1.0f})}, {a})[0];
  array joined = concatenate({array({1.0f}), a}, 0, s);
  std::vector<array> all{by_user, elementwise, as_view, by_kernel, forwarded, ordered, joined};
  EXPECT_FALSE(try_eval(all).ok());
  for (const array& dependent : all) {
    EXPECT_EQ(dependent.status(), array::Status::failed);
    EXPECT_EQ(dependent.failure(), a.failure());
  }
  EXPECT_EQ(*runs, 0);
}

TEST(Contract, contract_p01_an_array_that_was_never_evaluated_has_no_bytes) {
  array a = fill(1, cpu_stream());
  EXPECT_THROW(std::as_const(a).data<float>(), std::invalid_argument);
  EXPECT_THROW(a.strides(), std::invalid_argument);
  EXPECT_EQ(a.status(), array::Status::unscheduled);
}

TEST(Contract, contract_p01_an_operation_that_leaves_an_output_unwritten_fails) {
  Stream s = cpu_stream();
  auto outputs =
      array::make_arrays({kShape, kShape}, {float32, float32},
                         std::make_shared<Operation>(
                             s, "half", [](auto&, auto& outputs) { fill_output(outputs[0], 1); }),
                         {});
  EXPECT_THROW(eval(outputs), EvalError);
  EXPECT_EQ(outputs[0].status(), array::Status::failed);
  EXPECT_EQ(outputs[1].status(), array::Status::failed);
}

TEST(Contract, contract_p01_an_output_shows_no_bytes_beyond_its_buffer) {
  const Stream s = cpu_stream();
  const array small = fill(1, s);  // 3 elements
  const struct {
    const char* mistake;
    Operation::Body body;
  } cases[] = {
      {"too small", [](auto&, auto& out) { out[0].set_data(allocator::malloc(2048)); }},
      {"no buffer", [](auto&, auto& out) { out[0].set_data(allocator::Buffer(nullptr)); }},
      {"no buffer, and who frees it",
       [](auto&, auto& out) { out[0].set_data(allocator::Buffer(nullptr), [](auto) {}); }},
      {"an offset beyond all numbers",
       [](auto&, auto& out) {
         out[0].set_data(allocator::malloc(8192), 1024, {1}, {}, int64_t{1} << 62, allocator::free);
       }},
      {"strides leave it",
       [](auto&, auto& out) {
         out[0].set_data(allocator::malloc(4096), 1024, {2}, {}, allocator::free);
       }},
      {"strides lead in front of it",
       [](auto&, auto& out) {
         out[0].set_data(allocator::malloc(4096), 1024, {-1}, {}, 1022, allocator::free);
       }},
      {"offset",
       [](auto&, auto& out) {
         out[0].set_data(allocator::malloc(4096), 1024, {1}, {}, 1024, allocator::free);
       }},
      {"strides of another shape",
       [](auto&, auto& out) {
         out[0].set_data(allocator::malloc(4096), 1024, {1024, 1}, {}, allocator::free);
       }},
      {"a smaller input", [](auto& in, auto& out) { out[0].copy_shared_buffer(in[0]); }},
      {"a part of a smaller input",
       [](auto& in, auto& out) { out[0].copy_shared_buffer(in[0], {1}, {}, 1024, 0); }},
      {"strides without end",
       [](auto& in, auto& out) {
         out[0].copy_shared_buffer(in[0], {std::numeric_limits<int64_t>::max()}, {}, 1024, 0);
       }},
  };
  for (const auto& [mistake, body] : cases) {
    SCOPED_TRACE(mistake);
    array a = operation("careless", s, {small}, body, {1024});
    EXPECT_THROW(sum(a).eval(), EvalError);
    ASSERT_EQ(a.status(), array::Status::failed);
    EXPECT_EQ(a.failure()->op, "careless");
    EXPECT_THROW(a.data<float>(), EvalError);
  }
  EXPECT_THROW(array(allocator::malloc(2048), {1024}, float32), std::invalid_argument);
  EXPECT_THROW(array(allocator::Buffer(nullptr), {1}, float32, [](auto) {}), std::invalid_argument);
  EXPECT_THROW(operation("of no size", s, {}, cases[0].body, {-2}), std::invalid_argument);

  float elements[1] = {};
  int n_freed = 0;
  EXPECT_THROW(array(elements, {-1}, float32, [&](void*) { ++n_freed; }), std::invalid_argument);
  EXPECT_EQ(n_freed, 1);

  const array bytes = slice(array({1, 2, 3, 4, 5, 6, 7, 8}, uint8), {1}, {5});
  array inside =
      operation("inside", s, {bytes},
                [](auto& in, auto& out) { out[0].copy_shared_buffer(in[0], {1}, {}, 1, 0); }, {1});
  EXPECT_THROW(inside.eval(), EvalError);
}

TEST(Contract, contract_p01_an_output_is_described_by_its_strides) {
  const Stream s = cpu_stream();
  array a = operation("reversed", s, {}, [](auto&, auto& out) {
    out[0].set_data(allocator::malloc(12), 99, {-1}, {true, true, true}, 2, allocator::free);
    float* last = out[0].template data<float>();
    std::iota(last - 2, last + 1, 1.0f);
  });
  eval(a);
  EXPECT_EQ(a.data_size(), 3u);
  EXPECT_FALSE(a.flags().row_contiguous);
  EXPECT_TRUE(array_equal(a, array({3.0f, 2.0f, 1.0f})).item<bool>());
}

// --- P2 ---

TEST(Contract, contract_p02_outputs_of_one_node_settle_alike) {
  Stream s = cpu_stream();
  Gate gate;
  auto outputs =
      array::make_arrays({kShape, Shape{2, 2}, Shape{}}, {float32, int32, float32},
                         std::make_shared<Operation>(s, "half",
                                                     [pass = gate.pass()](auto&, auto& outputs) {
                                                       fill_output(outputs[0], 1);
                                                       pass.go_through();
                                                       throw std::runtime_error("A");
                                                     }),
                         {});
  async_eval(outputs[1]);
  gate.wait_until_reached();
  for (const array& output : outputs) EXPECT_EQ(output.status(), array::Status::evaluated);
  gate.open();
  for (const array& output : outputs) EXPECT_EQ(root_of([&] { output.wait(); }), "A");
  EXPECT_EQ(outputs[0].failure(), outputs[2].failure());
}

// --- P3 ---

TEST(Contract, contract_p03_inputs_survive_a_failure_of_a_temporary) {
  Stream s = cpu_stream();
  array a = fail_at_first(1, "A", 100, s);
  // The only owner of the sum is the graph, so its bytes may be taken over: not before they are
  // needed no more.
  array result = add(add(full(kShape, 1.0f, s), full(kShape, 2.0f, s), s), a, s);
  EXPECT_EQ(root_of([&] { eval(result); }), "A");
  retry({result});
  EXPECT_TRUE(has_values(result, 103));
}

TEST(Contract, contract_p03_a_reader_beside_the_evaluation_keeps_its_bytes) {
  Stream s = cpu_stream();
  array x = full({1000}, 3.0f, s);
  eval(x);
  const float* bytes = x.data<float>();
  array y = square(x, s);
  array z = square(y, s);
  eval(z);
  EXPECT_EQ(x.data<float>(), bytes);
  EXPECT_TRUE(has_values(x, 3));
  EXPECT_TRUE(has_values(y, 9));
  EXPECT_TRUE(has_values(z, 81));
}

TEST(Contract, contract_p03_a_cancelled_evaluation_can_be_retried_from_its_inputs) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  Gate gate;
  std::stop_source stop;
  EvalOptions options;
  options.stop = stop.get_token();
  array blocked = fill(10, s2, {gate.pass()});
  array result = add(abs(add(full(kShape, 1.0f, s), array(1.0f), s), s), blocked, s);
  async_eval({result}, options);
  gate.wait_until_reached();
  stop.request_stop();
  EXPECT_THROW(result.wait(), CancelledError);
  gate.open();
  retry({result});
  EXPECT_TRUE(has_values(result, 12));
}

// --- P5 ---

TEST(Contract, contract_p05_every_waiter_every_time) {
  Stream s = cpu_stream();
  Gate gate;
  array a = fail("A", s, {gate.pass()});
  async_eval(a);
  auto wait_in_each_way = [&a] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(root_of([&] { a.wait(); }), "A");
      EXPECT_EQ(root_of([&] { a.wait_for(std::chrono::hours(1)); }), "A");
      EXPECT_EQ(root_of([&] { a.event().wait(); }), "A");
      EXPECT_EQ(root_of([&] { array(a).eval(); }), "A");
      EXPECT_EQ(root_of([&] { eval(a); }), "A");
      EXPECT_EQ(root_of([&] { value_of(a); }), "A");
    }
  };
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) waiters.emplace_back(wait_in_each_way);
  gate.open();
  for (std::thread& waiter : waiters) waiter.join();
}

// --- P6 ---

TEST(Contract, contract_p06_dependents_share_the_roots_record) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array a = fail("A", s);
  array b = plus(a, 1, s2);
  array c = b * 2.0f;
  array d = reshape(c, {3, 1}, s);
  async_eval(d, b);
  for (const array& dependent : {b, c, d}) {
    EXPECT_EQ(root_of([&] { eval(dependent); }), "A");
    EXPECT_EQ(dependent.failure(), a.failure());
  }
  FailurePtr record = a.failure();
  EXPECT_EQ(record->op, "fail");
  EXPECT_EQ(record->node, a.node().number);
  EXPECT_EQ(record->stream, s);
  EXPECT_EQ(record->device, Device::cpu);
  try {
    d.wait();
  } catch (const EvalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("A"));
    EXPECT_THAT(error.what(), HasSubstr("reshape"));
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(d.node().number)));
  }
}

TEST(Contract, contract_p06_the_record_names_inputs_and_origin) {
  Stream s = cpu_stream();
  std::optional<array> built;
  {
    OriginScope scope("in the test");
    built = fail("A", s, {}, {array({1, 2}), array({1.0f})});
  }
  EXPECT_THROW(eval(*built), EvalError);
  FailurePtr record = built->failure();
  ASSERT_EQ(record->inputs.size(), 2u);
  EXPECT_EQ(record->inputs[0].shape, Shape{2});
  EXPECT_EQ(record->inputs[0].dtype, int32);
  EXPECT_EQ(record->inputs[1].dtype, float32);
  EXPECT_THAT(record->origin, HasSubstr("in the test"));
}

template <class Class>
void expect_class(FailureKind kind, std::function<void()> thrower) {
  array a = plus(fail_with(std::move(thrower), cpu_stream()), 1, cpu_stream());
  try {
    eval(a);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Class& error) {
    EXPECT_EQ(error.failure()->kind, kind);
  }
}

TEST(Contract, contract_p06_the_class_is_that_of_the_kind) {
  auto of_kind = [](FailureKind kind) { return [kind] { throw OperationError(kind, "A"); }; };
  expect_class<IoError>(FailureKind::io, of_kind(FailureKind::io));
  expect_class<OutOfMemoryError>(FailureKind::out_of_memory, of_kind(FailureKind::out_of_memory));
  expect_class<NumericalError>(FailureKind::numerical, of_kind(FailureKind::numerical));
  expect_class<IndexError>(FailureKind::index, of_kind(FailureKind::index));
  expect_class<CancelledError>(FailureKind::cancelled, of_kind(FailureKind::cancelled));
  expect_class<DeadlineError>(FailureKind::deadline, of_kind(FailureKind::deadline));
  expect_class<AbandonedError>(FailureKind::abandoned, of_kind(FailureKind::abandoned));
  expect_class<DeviceLostError>(FailureKind::device_lost, of_kind(FailureKind::device_lost));
  expect_class<PeerError>(FailureKind::peer, of_kind(FailureKind::peer));
  expect_class<EvalError>(FailureKind::operation, of_kind(FailureKind::operation));
  expect_class<OutOfMemoryError>(FailureKind::out_of_memory, [] { throw std::bad_alloc(); });
  expect_class<IoError>(FailureKind::io, [] { throw std::ios_base::failure("A"); });
  expect_class<EvalError>(FailureKind::operation, [] { throw Error(); });
  static_assert(std::derived_from<EvalError, std::runtime_error>);
  // An evaluation inside the operation failed.
  expect_class<NumericalError>(FailureKind::numerical, [] {
    eval(fail_with([] { throw OperationError(FailureKind::numerical, "inner"); }, cpu_stream()));
  });
}

TEST(Contract, contract_p06_what_was_thrown_is_nested_unchanged) {
  Stream s = cpu_stream();
  auto nested_in = [](const array& a) -> std::exception_ptr {
    try {
      a.wait();
    } catch (const EvalError& error) {
      return error.nested_ptr();
    }
    return nullptr;
  };
  std::exception_ptr thrown = std::make_exception_ptr(
      std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "open"));
  array a = fail_with([thrown] { std::rethrow_exception(thrown); }, s);
  array b = plus(a, 1, s);
  async_eval(b);
  EXPECT_EQ(nested_in(a), thrown);
  EXPECT_EQ(nested_in(b), thrown);
  EXPECT_EQ(a.failure()->exception, thrown);
  EXPECT_EQ(a.failure()->error_number, ENOENT);
}

TEST(Contract, contract_p06_nothing_is_nested_when_nothing_was_thrown) {
  Gate gate;
  array a = fill(1, cpu_stream(), {gate.pass()});
  EvalOptions options;
  options.deadline = std::chrono::steady_clock::time_point::min();
  async_eval({a}, options);
  try {
    throw 42;  // an unrelated exception is being handled
  } catch (int) {
    try {
      a.wait();
      FAIL() << "nothing was thrown";
    } catch (const DeadlineError& error) {
      EXPECT_EQ(error.nested_ptr(), nullptr);
      EXPECT_EQ(a.failure()->exception, nullptr);
    }
  }
}

// --- P7, P8 ---

TEST(Contract, contract_p07_only_data_dependents_fail) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array a = fail("A", s);
  array x = full(kShape, 1.0f, s);
  std::vector<array> healthy{fill(1, s), plus(x, 0, s), add(x, array(0.0f), s), plus(x, 0, s2)};
  std::vector<array> hit{a, plus(a, 1, s), a + x, a + healthy[2]};
  std::vector<array> all = hit;
  all.insert(all.end(), healthy.begin(), healthy.end());
  EXPECT_FALSE(try_eval(all).ok());
  for (const array& h : healthy) EXPECT_TRUE(has_values(h, 1));
  for (const array& h : hit) EXPECT_EQ(h.status(), array::Status::failed);
}

TEST(Contract, contract_p07_parts_of_a_fused_group_that_do_not_depend_on_the_failure) {
  Stream s = cpu_stream();
  array a = fail("A", s);
  array x = array({1.0f, 2.0f, 3.0f});
  array healthy = add(x, x, s);  // one group: all have the same shape and stream
  array also = multiply(healthy, x, s);
  array hit = add(a, also, s);
  array end = add(hit, healthy, s);
  EXPECT_EQ(root_of([&] { eval(end); }), "A");
  EXPECT_TRUE(healthy.is_available());
  EXPECT_TRUE(also.is_available());
  EXPECT_EQ(also.data<float>()[2], 18);
  EXPECT_EQ(hit.failure(), a.failure());
}

TEST(Contract, contract_p07_a_sum_of_what_is_in_no_memory) {
  Stream s = cpu_stream();
  array a = fail("A", s);
  array x = array({1.0f, 2.0f, 3.0f});
  array hit = sum(multiply(add(x, a, s), x, s), s);
  array healthy = sum(multiply(x, x, s), s);
  EXPECT_EQ(root_of([&] { eval(hit, healthy); }), "A");
  EXPECT_EQ(hit.failure(), a.failure());
  EXPECT_TRUE(has_values(healthy, 14));
}

// --- P9 ---

TEST(Contract, contract_p09_never_at_the_wrong_place) {
  Stream s = cpu_stream();
  array a = fail("A", s);
  EXPECT_NO_THROW(async_eval(a));
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
  EXPECT_NO_THROW({
    async_eval(a);
    array b = a + 1.0f;
    array c = plus(b, 1, s);
    async_eval(b, c);
    array copied = c;
    array healthy = fill(1, s);
    async_eval(healthy);
    (void)c.is_available();
    (void)c.status();
    (void)c.failure();
    (void)c.event().is_signaled();
    scheduler::enqueue(s, [] {});
    healthy.wait();
    (void)get_streams();
    (void)c.shape();
    (void)try_eval({a, b, c});
    on_settled(c, [](const array&) {});
  });
  EXPECT_EQ(root_of([&] { synchronize(s); }), "A");
}

TEST(Contract, contract_p09_async_eval_throws_for_a_tracer_and_a_missing_operation) {
  Stream s = cpu_stream();
  array traced = fill(1, s);
  traced.set_tracer(true);
  EXPECT_THROW(async_eval(traced), std::invalid_argument);
  array detached = fill(1, s);
  detached.detach();
  EXPECT_THROW(async_eval(detached), std::invalid_argument);
  traced.set_tracer(false);
  eval(traced);
  EXPECT_TRUE(has_values(traced, 1));
}

// --- P10, P11 ---

TEST(Contract, contract_p10_a_node_takes_its_failed_input_of_the_lowest_position) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  for (bool first_is_last : {false, true}) {
    Gate gate;
    array first = fail("first", s, {first_is_last ? gate.pass() : Gate::Pass()});
    array second = fail("second", s2, {first_is_last ? Gate::Pass() : gate.pass()});
    array by_user = sum_of({fill(1, s2), first, second}, s2);
    array swapped = sum_of({second, first}, s);
    array fused = add(first, second, s);
    async_eval(by_user, swapped, fused);
    EXPECT_EQ(root_of([&] { (first_is_last ? second : first).wait(); }),
              first_is_last ? "second" : "first");
    EXPECT_EQ(by_user.status(), array::Status::evaluated);
    gate.open();
    EXPECT_EQ(root_of([&] { by_user.wait(); }), "first");
    EXPECT_EQ(root_of([&] { swapped.wait(); }), "second");
    EXPECT_EQ(root_of([&] { fused.wait(); }), "first");
  }
}

TEST(Contract, contract_p10_eval_reports_the_lowest_creation_number) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array first = fail("first", s);
  array second = fail("second", s2);
  array above_second = plus(second, 1, s);
  for (auto list :
       {std::vector{first, second}, std::vector{second, first}, std::vector{above_second, first}}) {
    EXPECT_EQ(root_of([&] { eval(list); }), "first");
  }
}

TEST(Contract, contract_p10_synchronize_reports_the_lowest_creation_number) {
  Stream s = cpu_stream();
  array first = fail("first", s);
  array second = fail("second", s);
  async_eval(second);
  async_eval(first);
  EXPECT_EQ(root_of([&] { synchronize(s); }), "first");
}

std::vector<std::string> others_of(const EvalError& error) {
  std::vector<std::string> messages;
  for (const FailurePtr& other : error.others()) messages.push_back(other->message);
  return messages;
}

template <class Call>
std::vector<std::string> others_of_call(Call call) {
  try {
    call();
  } catch (const EvalError& error) {
    return others_of(error);
  }
  return {"nothing was thrown"};
}

TEST(Contract, contract_p11_the_other_roots_are_reachable) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array one = fail("1", s), two = fail("2", s2), three = fail("3", s), four = fail("4", s2);
  array a = sum_of({one, two}, s);
  array b = add(a, three, s2);
  EXPECT_THAT(others_of_call([&] { eval(b, four); }), ElementsAre("2", "3", "4"));
  EXPECT_THAT(others_of_call([&] { b.wait(); }), ElementsAre("2", "3"));
  EXPECT_THAT(others_of_call([&] { one.wait(); }), ElementsAre());
  // a failed on s with the record of one, b on s2 likewise.
  EXPECT_THAT(others_of_call([&] { synchronize(s); }), ElementsAre("3"));
  EXPECT_THAT(others_of_call([&] { synchronize(s2); }), ElementsAre("2", "4"));
}

TEST(Contract, contract_p11_roots_behind_elided_members_of_a_fused_group) {
  Stream s = cpu_stream();
  array one = fail("1", s), two = fail("2", s);
  array sum = add(abs(one, s), negative(abs(two, s), s), s);
  EXPECT_THAT(others_of_call([&] { eval(sum); }), ElementsAre("2"));
}

// --- P12 ---

TEST(Contract, contract_p12_synchronize_throws_for_its_stream_since_the_last_time) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  array a = fail("A", s);
  EXPECT_EQ(root_of([&] { eval(a); }), "A");  // others have seen it
  EXPECT_EQ(root_of([&] { synchronize(s2); }), "");
  EXPECT_EQ(root_of([&] { synchronize(s); }), "A");
  EXPECT_EQ(root_of([&] { synchronize(s); }), "");
  EXPECT_EQ(root_of([&] { a.wait(); }), "A");
  array b = plus(a, 1, s2);
  async_eval(b);
  EXPECT_EQ(root_of([&] { synchronize(s2); }), "A");
}

TEST(Contract, contract_p12_a_task_that_throws_is_synchronizes_business_only) {
  Stream s = cpu_stream();
  scheduler::enqueue(s, [] { throw std::runtime_error("task"); });
  array c = fill(7, s);
  eval(c);
  EXPECT_TRUE(has_values(c, 7));
  EXPECT_EQ(root_of([&] { synchronize(s); }), "task");
  EXPECT_EQ(root_of([&] { synchronize(s); }), "");
}

// Whoever cancels claims all steps, then settles one after the other: here the stream goes on as
// soon as the first has settled.
TEST(Contract, contract_p12_cancelled_work_has_settled_when_its_stream_is_drained) {
  const Stream s = cpu_stream();
  for (int i = 0; i < 100; ++i) {
    Gate gate;
    std::stop_source stop;
    const array first = fill(1, s, {gate.pass()});
    array last = first;
    for (int k = 0; k < 1000; ++k) last = plus(last, 1, s);
    async_eval({last}, {.stop = stop.get_token()});
    gate.wait_until_reached();
    const std::jthread canceller([&] { stop.request_stop(); });
    EXPECT_THROW(first.wait(), CancelledError);
    gate.open();
    synchronize(s);
    ASSERT_EQ(last.status(), array::Status::failed) << "try " << i;
  }
}

TEST(Contract, contract_p12_cancelled_work_is_no_failure_of_the_stream) {
  Stream s = cpu_stream();
  Gate gate;
  std::stop_source stop;
  EvalOptions options;
  options.stop = stop.get_token();
  array a = fill(1, s, {gate.pass()});
  async_eval({a}, options);
  stop.request_stop();
  EXPECT_THROW(a.wait(), CancelledError);
  gate.open();
  EXPECT_EQ(root_of([&] { synchronize(s); }), "");
}

// --- P13 ---

TEST(Contract, contract_p13_the_hook_gets_a_failure_when_the_last_array_dies) {
  UnobservedFailures unobserved;
  uint64_t count = unobserved_failure_count();
  Stream s = cpu_stream();
  {
    array b = fill(0, s);
    {
      array a = fail("A", s);
      b = plus(a, 1, s);
      async_eval(b);
      b.event().wait(s);
      scheduler::enqueue(s, [] {});
    }
    Event done(s);
    done.signal(s);
    done.wait();
    EXPECT_THAT(unobserved.messages(), ElementsAre());
  }
  EXPECT_THAT(unobserved.messages(), ElementsAre("A"));
  EXPECT_EQ(unobserved_failure_count(), count + 1);
}

TEST(Contract, contract_p13_each_way_of_looking_is_an_observation) {
  UnobservedFailures unobserved;
  Stream s = cpu_stream();
  auto settled_failure = [&](const char* message) {
    array a = fail(message, s);
    async_eval(a);
    Event done(s);
    done.signal(s);
    done.wait();
    return a;
  };
  { (void)settled_failure("asked").failure(); }
  {
    root_of([a = settled_failure("waited")] { a.wait(); });
  }
  {
    root_of([a = settled_failure("evaluated")] { eval(a); });
  }
  { (void)try_eval({settled_failure("tried")}); }
  EXPECT_THAT(unobserved.messages(), ElementsAre());
  { (void)settled_failure("polled").status(); }
  EXPECT_THAT(unobserved.messages(), ElementsAre("polled"));
  {
    array a = settled_failure("synchronized");
    root_of([&] { synchronize(s); });
  }
  EXPECT_THAT(unobserved.messages(), ElementsAre("polled"));
}

TEST(Contract, contract_p13_a_handler_that_throws_harms_nobody) {
  Stream s = cpu_stream();
  auto previous = set_unobserved_failure_handler([](const Failure&) { throw 42; });
  {
    array a = fail("A", s);
    async_eval(a);
  }
  settle_everything();
  set_unobserved_failure_handler(previous);
  array c = fill(7, s);
  eval(c);
  EXPECT_TRUE(has_values(c, 7));
}

}  // namespace
}  // namespace tarn::contract
