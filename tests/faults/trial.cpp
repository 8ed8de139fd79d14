#include "tests/faults/trial.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn::faults {

namespace {

// Kinds that a fault may turn a value into.
std::vector<FailureKind> truthful_kinds(Kind kind) {
  switch (kind) {
    case Kind::allocation:  // a thread needs memory, too
      return {FailureKind::out_of_memory, FailureKind::abandoned};
    case Kind::buffer:
      return {FailureKind::out_of_memory};
    case Kind::thread:
      return {FailureKind::abandoned};
    case Kind::system_call:
      return {FailureKind::io};
  }
  return {};
}

bool contains(const std::vector<FailureKind>& kinds, FailureKind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

State state_of(const array& a) {
  State state{.status = a.status()};
  if (FailurePtr failure = a.failure()) {
    state.kind = failure->kind;
    state.message = failure->message;
  } else if (state.status == array::Status::available) {
    array row_major = contiguous(a);
    eval(row_major);
    const std::byte* bytes = row_major.data<std::byte>();
    state.bytes.assign(bytes, bytes + row_major.nbytes());
  }
  return state;
}

std::vector<State> states_of(const Trace& trace) {
  std::vector<State> states;
  for (const array& a : trace.arrays()) states.push_back(state_of(a));
  return states;
}

// It is a part of the program. Allocates nothing, as synchronizing would, once there is a runtime.
void wait_for_background_work() noexcept {
  try {
    while (scheduler::n_active_tasks() > 0) std::this_thread::yield();
  } catch (const std::bad_alloc&) {
    // There was never a runtime.
  }
}

// Says what the program threw, and whether its caller has to expect that.
void judge(const std::exception_ptr& thrown, const Program& program, Kind kind, Ending& ending) {
  if (!thrown) return;
  auto allows = [&](FailureKind failure) {
    // A failure that the program's own operations ask for is an operation's.
    return failure == FailureKind::operation || contains(truthful_kinds(kind), failure) ||
           contains(program.also, failure);
  };
  try {
    std::rethrow_exception(thrown);
  } catch (const EvalError& error) {
    ending.thrown = error.what();
    ending.thrown_is_legitimate = allows(error.failure()->kind);
  } catch (const OperationError& error) {
    ending.thrown = error.what();
    ending.thrown_is_legitimate = allows(error.kind());
  } catch (const std::bad_alloc& error) {
    ending.thrown = error.what();
    ending.thrown_is_legitimate = kind == Kind::allocation || kind == Kind::buffer;
  } catch (const std::exception& error) {
    ending.thrown = error.what();
    ending.thrown_is_legitimate = false;
  } catch (...) {
    ending.thrown = "something that is no std::exception";
    ending.thrown_is_legitimate = false;
  }
}

std::string describe(const State& state) {
  switch (state.status) {
    case array::Status::unscheduled:
      return "unscheduled";
    case array::Status::evaluated:
      return "still pending";
    case array::Status::available:
      return "a value of " + std::to_string(state.bytes.size()) + " bytes";
    case array::Status::failed:
      return std::string("failed, ") + failure_kind_name(state.kind) + ": " + state.message;
  }
  return "";
}

// Without memory the record may have but the beginning of the message.
bool fails_alike(const State& state, const State& golden) {
  return state.status == golden.status && state.kind == golden.kind &&
         golden.message.starts_with(state.message);
}

bool same(const State& a, const State& b) {
  return a.status == b.status && a.kind == b.kind && a.message == b.message && a.bytes == b.bytes;
}

}  // namespace

array Trace::keep(array a) {
  if (arrays_.size() == kMaxArrays) std::abort();
  arrays_.push_back(a);
  return a;
}

Ending run_with_fault(const Program& program, Point point) {
  Ending ending;
  Trace trace;
  std::exception_ptr thrown;
  {
    Fault fault(point);
    try {
      program.run(trace);
    } catch (...) {
      thrown = std::current_exception();
    }
    wait_for_background_work();
    ending.calls = fault.calls();
  }
  judge(thrown, program, point.kind, ending);
  contract::settle_everything();
  ending.at_first = states_of(trace);
  ending.promises_kept = trace.promises_kept(point.kind != Kind::thread);
  // Twice: an operation that fails at first may never have had its first time.
  for (int i = 0; i < 2 && !trace.arrays().empty(); ++i) {
    try {
      retry(trace.arrays());
    } catch (const EvalError&) {
      // Some arrays are meant to fail: their states are compared.
    }
  }
  ending.after_retry = states_of(trace);
  return ending;
}

void expect_truthful(const Program& program, Kind kind, const Ending& ending,
                     const Ending& golden) {
  EXPECT_TRUE(ending.thrown_is_legitimate) << "thrown: " << ending.thrown;
  EXPECT_TRUE(ending.promises_kept) << "something did not happen once";
  ASSERT_LE(ending.at_first.size(), golden.at_first.size());
  const std::vector<FailureKind> truthful = truthful_kinds(kind);
  for (size_t i = 0; i < ending.at_first.size(); ++i) {
    const State& state = ending.at_first[i];
    bool may_be = same(state, golden.at_first[i]);
    if (state.status == array::Status::failed) {
      may_be |= fails_alike(state, golden.at_first[i]) || contains(truthful, state.kind) ||
                contains(program.also, state.kind);
    }
    // What went wrong before anybody asked for the array was thrown.
    if (state.status == array::Status::unscheduled) may_be |= !ending.thrown.empty();
    if (!program.also.empty()) may_be |= same(state, golden.after_retry[i]);
    EXPECT_TRUE(may_be) << "array " << i << " ended as " << describe(state)
                        << ", without faults as " << describe(golden.at_first[i])
                        << "; thrown: " << ending.thrown;
    EXPECT_TRUE(same(ending.after_retry[i], golden.after_retry[i]))
        << "array " << i << ", retried without faults: " << describe(ending.after_retry[i])
        << " and not " << describe(golden.after_retry[i]);
  }
}

}  // namespace tarn::faults
