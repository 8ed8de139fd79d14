// The core of the runtime (outcome, batch, stream queue) under the model checker: every node gets
// the status and the root that the reference computes, in every execution, and every wait ends.
#include <gtest/gtest.h>

#include <cstdio>

#include "core_harness.h"

namespace tarn::model {
namespace {

struct Scenario {
  const char* name;
  int n_streams;
  Graph graph;
};

const Scenario kScenarios[] = {
    {"one stream: chain and neighbour", 1, {{0, {}}, {0, {0}}, {0, {}}}},
    {"two streams: crossing", 2, {{0, {}}, {1, {0}}, {0, {}}, {1, {2, 1}}}},
    {"three streams: chain and neighbour", 3, {{0, {}}, {1, {0}}, {2, {1}}, {0, {}}}},
    {"three streams: two producers", 3, {{0, {}}, {1, {}}, {2, {0, 1}}, {1, {0}}}},
};

void check_node(ModelWorld<>& world, int node, const Ending& expected) {
  const Ending ending = ending_of(world.outcome(node));
  check(ending.status == expected.status, "a node settled the wrong way");
  check(ending.root == expected.root, "a node reports a failure that is not its root");
  check(ending.status != Ending::value || world.value(node) == 1,
        "a value was read before it was written");
}

void wait_and_check(ModelWorld<>& world, int node, const Ending& expected) {
  world.outcome(node).wait();
  check_node(world, node, expected);
  check_node(world, node, expected);  // nothing is used up by looking
}

// Waits for all nodes. Where the endings leave a choice, they are compared with what the reference
// makes of the choice that they show: which of the nodes that `may_be_cancelled` were, and which
// nodes their streams abandoned.
Endings wait_and_check_all(ModelWorld<>& world, Events events, const Nodes& may_be_cancelled) {
  Endings seen;
  for (int node : world.all_nodes()) {
    world.outcome(node).wait();
    seen.push_back(ending_of(world.outcome(node)));
  }
  const Ending cancelled{Ending::cancelled, kCancelled};
  for (size_t i = 0; i < seen.size(); ++i) {
    events.cancelled[i] = may_be_cancelled[i] && seen[i] == cancelled;
  }
  events.abandoned = abandoned_with(world.graph(), seen);
  const Endings wanted = expected(world.graph(), events);
  for (int node : world.all_nodes()) check_node(world, node, wanted[size_t(node)]);
  return wanted;
}

void fail_node(ModelWorld<>& world, int node) {
  if (node < 0) return;
  world.set_body(node, [node] { return make_record(FailureKind::operation, node + 1); });
}

// Adds up what searches explored, and expects that nothing went wrong.
class Tally {
 public:
  explicit Tally(const char* what) : what_(what) {}
  ~Tally() {
    std::printf("%s: %lld executions, %d searches, %s\n", what_, (long long)n_executions_,
                n_searches_, all_complete_ ? "all to exhaustion" : "sampled");
    if (widest_.pct_bound > 0) {
      std::printf("  an execution hits a bug of depth 3 with p >= %.2g (%d threads, %d steps)\n",
                  widest_.pct_bound, int(widest_.n_threads), int(widest_.longest));
    }
  }

  void add(const Result& result) {
    EXPECT_EQ(result.failure, "") << what_;
    EXPECT_EQ(result.n_truncated, 0) << what_;
    n_executions_ += result.n_executions;
    ++n_searches_;
    const bool is_wider = widest_.pct_bound == 0 || result.pct_bound < widest_.pct_bound;
    if (result.pct_bound > 0 && is_wider) widest_ = result;
    all_complete_ &= result.complete;
  }
  void add_exhaustive(const Result& result) {
    EXPECT_TRUE(result.complete) << what_ << ": " << result.summary();
    add(result);
  }

 private:
  const char* what_;
  int64_t n_executions_ = 0;
  int n_searches_ = 0;
  bool all_complete_ = true;
  Result widest_;  // of those that sample: that with the lowest bound
};

void run_scenario(const Scenario& scenario, int failing, int second_waiter, int n_buckets) {
  const Endings endings = expected(scenario.graph, one_failure(scenario.graph, failing));
  per_execution<ModelBuckets>().n_used = n_buckets;
  ModelWorld<>& world = make_world(scenario.graph, scenario.n_streams);
  fail_node(world, failing);
  world.post(world.all_nodes());
  ModelSync::thread other([&] { wait_and_check(world, second_waiter, endings[second_waiter]); });
  int last = int(scenario.graph.size()) - 1;
  wait_and_check(world, last, endings[last]);
  other.join();
}

TEST(Core, every_fault_position_and_every_pair_of_waiters) {
  Tally tally("core: 1 to 3 streams, 3 to 4 tasks, every fault position, 2 waiters");
  for (const Scenario& scenario : kScenarios) {
    int n = int(scenario.graph.size());
    for (int failing = -1; failing < n; ++failing) {
      for (int waiter = 0; waiter < n; ++waiter) {
        tally.add_exhaustive(explore(dpor(), [&] { run_scenario(scenario, failing, waiter, 8); }));
      }
    }
  }
}

TEST(Core, outcomes_that_share_a_bucket) {
  Tally tally("core: all outcomes in one bucket");
  const Scenario& scenario = kScenarios[0];
  for (int failing = -1; failing < 3; ++failing) {
    tally.add_exhaustive(explore(dpor(), [&] { run_scenario(scenario, failing, 1, 1); }));
  }
  for (int failing = -1; failing < 4; ++failing) {
    tally.add(explore(pct(3, 3000), [&] { run_scenario(kScenarios[2], failing, 1, 1); }));
  }
}

// Whoever posts while a stream parks, wakes or goes idle: nothing is left behind.
TEST(Core, posting_from_two_threads) {
  Tally tally("core: two evaluations posted by two threads");
  Graph graph = {{0, {}}, {1, {0}}, {0, {}}, {1, {2}}};
  for (int failing = -1; failing < 4; ++failing) {
    const Endings endings = expected(graph, one_failure(graph, failing));
    tally.add_exhaustive(explore(dpor(), [&] {
      ModelWorld<>& world = make_world(graph, 2);
      fail_node(world, failing);
      ModelSync::thread other([&] {
        world.post({2, 3});
        wait_and_check(world, 3, endings[3]);
      });
      world.post({0, 1});
      wait_and_check(world, 1, endings[1]);
      other.join();
    }));
  }
}

// A small evaluation runs on the thread that waits for it; what others post meanwhile is handed on.
TEST(Core, running_inline) {
  Tally tally("core: inline runs");
  Graph graph = {{0, {}}, {0, {0}}, {0, {}}};
  for (int failing = -1; failing < 3; ++failing) {
    const Endings endings = expected(graph, one_failure(graph, failing));
    tally.add_exhaustive(explore(dpor(), [&] {
      ModelWorld<>& world = make_world(graph, 1);
      fail_node(world, failing);
      ModelSync::thread other([&] {
        world.post({2});
        wait_and_check(world, 2, endings[2]);
      });
      world.post_inline({0, 1});
      wait_and_check(world, 1, endings[1]);
      other.join();
    }));
  }
}

// Without a thread the work is abandoned: every wait ends, with the root that the reference says.
TEST(Core, thread_creation_fails) {
  Tally tally("core: every thread creation may fail, every fault position");
  Options options = dpor();
  options.thread_creation_may_fail = true;
  Graph graph = {{0, {}}, {1, {0}}, {1, {1}}, {0, {}}};
  for (int failing = -1; failing < 4; ++failing) {
    tally.add_exhaustive(explore(options, [&] {
      ModelWorld<>& world = make_world(graph, 2);
      fail_node(world, failing);
      world.post(world.all_nodes());
      wait_and_check_all(world, one_failure(graph, failing), none_of(graph));
    }));
  }
}

// Cancelling while it runs: each node settles once, as what it is or as cancelled, and dependents
// of cancelled nodes are cancelled. (Settling twice trips an assert in Outcome.)
TEST(Core, cancelling) {
  Tally tally("core: a cancellation at every moment, every fault position");
  for (int n_streams : {1, 2}) {
    Graph graph = {{0, {}}, {n_streams - 1, {0}}, {0, {}}};
    for (int failing = -1; failing < 3; ++failing) {
      tally.add_exhaustive(explore(dpor(), [&] {
        ModelWorld<>& world = make_world(graph, n_streams);
        fail_node(world, failing);
        auto batches = world.post(world.all_nodes(), true);
        ModelSync::thread canceller([&] { world.cancel(batches, all_of(graph)); });
        world.outcome(1).wait();
        canceller.join();
        wait_and_check_all(world, one_failure(graph, failing), all_of(graph));
      }));
    }
  }
}

// Another evaluation wants a part of what is cancelled: that part and what it needs go on.
TEST(Core, cancelling_what_others_want_a_part_of) {
  Tally tally("core: cancelling around what others want, every fault position");
  // Node 3 is the other evaluation's, nodes 0 to 2 are asked for together.
  const Graph graph = {{0, {}}, {1, {0}}, {0, {0}}, {0, {0}}};
  Nodes asked = all_of(graph), wanted = none_of(graph);
  asked[3] = false;
  wanted[3] = true;
  const Nodes cancelled = cancelled_with(graph, asked, wanted);
  for (int failing = -1; failing < 4; ++failing) {
    tally.add_exhaustive(explore(dpor(), [&] {
      ModelWorld<>& world = make_world(graph, 2);
      fail_node(world, failing);
      auto batches = world.post({0, 1, 2}, true);
      ModelSync::thread canceller([&] { world.cancel(batches, cancelled); });
      world.post({3});
      canceller.join();
      wait_and_check_all(world, one_failure(graph, failing), cancelled);
    }));
  }
}

// A cancellation and streams that find no thread: whoever comes first.
TEST(Core, cancelling_where_thread_creation_fails) {
  Tally tally("core: a cancellation while every thread creation may fail");
  Options options = dpor();
  options.thread_creation_may_fail = true;
  const Graph graph = {{0, {}}, {1, {0}}};
  for (int failing = -1; failing < 2; ++failing) {
    tally.add_exhaustive(explore(options, [&] {
      ModelWorld<>& world = make_world(graph, 2);
      fail_node(world, failing);
      auto batches = world.post(world.all_nodes(), true);
      world.cancel(batches, all_of(graph));
      wait_and_check_all(world, one_failure(graph, failing), all_of(graph));
    }));
  }
}

// A body that never ends until it is let go: cancelling ends the waits of its own and of dependents
// on other streams, and work behind the parked dependent goes on.
TEST(Core, cancelling_what_is_blocked) {
  Tally tally("core: cancelling a blocked body");
  Graph graph = {{0, {}}, {1, {0}}, {1, {}}};
  Events events = no_events(graph);
  events.cancelled = {true, true, false};
  const Endings endings = expected(graph, events);
  tally.add_exhaustive(explore(dpor(), [&] {
    ModelWorld<>& world = make_world(graph, 2);
    auto& gate = per_execution<ModelOutcome>();
    world.set_body(0, [&] {
      gate.wait();
      return nullptr;
    });
    auto batches = world.post({0, 1}, true);
    world.post({2});
    ModelSync::thread waiter([&] { wait_and_check(world, 1, endings[1]); });
    world.cancel(batches, events.cancelled);
    waiter.join();
    check_node(world, 0, endings[0]);
    wait_and_check(world, 2, endings[2]);
    gate.settle_value();
  }));
}

// A callback of what is cancelled may wait for anything else that is.
TEST(Core, a_callback_waits_for_what_is_cancelled_with_it) {
  Tally tally("core: callbacks that wait, against a cancellation");
  struct WaitFor : BasicContinuation<ModelSync> {
    explicit WaitFor(ModelOutcome& other) : BasicContinuation(Kind::may_wait), other(other) {}
    void settled() noexcept override {
      other.wait();
      calls.fetch_add(1);
    }
    ModelOutcome& other;
    ModelSync::atomic<int> calls{0};
  };
  Graph graph = {{0, {}}, {1, {}}};
  tally.add_exhaustive(explore(dpor(), [&] {
    ModelWorld<>& world = make_world(graph, 2);
    auto& gate = per_execution<ModelOutcome>();
    for (int node : {0, 1}) {
      world.set_body(node, [&] {
        gate.wait();
        return nullptr;
      });
    }
    auto batches = world.post({0, 1}, true);
    WaitFor first(world.outcome(1)), second(world.outcome(0));
    const int n = world.outcome(0).on_settled(first) + world.outcome(1).on_settled(second);
    world.cancel(batches, all_of(graph));
    check(first.calls.load() + second.calls.load() == n, "a callback was not called");
    gate.settle_value();
  }));
}

// Fails at its first run only.
void fail_node_once(ModelWorld<>& world, int node, Plain<int>& runs) {
  runs = 0;
  world.set_body(node, [node, &runs]() -> FailurePtr {
    runs = runs + 1;
    return runs == 1 ? make_record(FailureKind::operation, node + 1) : nullptr;
  });
}

// After a retry of what all nodes need, of which only the first runs failed.
Events after_retry(const Graph& graph, const Endings& before, const Nodes& outputs) {
  Events events = no_events(graph);
  events.before = before;
  events.again = retried(graph, before, outputs);
  return events;
}

// A retry while another thread waits: whoever looks sees the old failure or the new value.
TEST(Core, retrying) {
  Tally tally("core: retry with a concurrent waiter");
  Graph graph = {{0, {}}, {1, {0}}};
  const Endings before = expected(graph, one_failure(graph, 0));
  const Events retry = after_retry(graph, before, {false, true});
  const Endings after = expected(graph, retry);
  tally.add_exhaustive(explore(dpor(), [&] {
    ModelWorld<>& world = make_world(graph, 2);
    auto& runs = per_execution<Plain<int>>();
    fail_node_once(world, 0, runs);
    world.post({0, 1});
    ModelSync::thread other([&] {
      world.outcome(1).wait();
      // Until it is asked what it is, it may be retried.
      FailurePtr failure = world.outcome(1).failure();
      check(!failure || failure->node == before[1].root, "a failure of no known root");
    });
    wait_and_check(world, 1, before[1]);
    world.retry(retry.again);
    wait_and_check(world, 1, after[1]);
    check_node(world, 0, after[0]);
    check(runs == 2, "a body did not run once per attempt");
    other.join();
  }));
}

// A retry of what was cancelled or failed, or neither because it was faster: that, and nothing
// else, runs again.
void retry_what_was_cancelled(const Graph& graph, int n_streams, int failing) {
  ModelWorld<>& world = make_world(graph, n_streams);
  fail_node(world, failing);
  auto batches = world.post(world.all_nodes(), true);
  world.cancel(batches, all_of(graph));
  Events events = one_failure(graph, failing);
  events.before = wait_and_check_all(world, events, all_of(graph));
  Nodes output = none_of(graph);
  output.back() = true;
  events.again = retried(graph, events.before, output);
  world.retry(events.again);
  wait_and_check_all(world, events, none_of(graph));
}

TEST(Core, retrying_what_was_cancelled) {
  Tally tally("core: retry after a cancellation at every moment, every fault position");
  Tally sampled("core: retry after a cancellation, 2 streams");
  for (int failing = -1; failing < 2; ++failing) {
    tally.add_exhaustive(explore(dpor(), [&] {
      retry_what_was_cancelled({{0, {}}, {0, {0}}}, 1, failing);
    }));
    sampled.add(explore(pct(3, 3000), [&] {
      retry_what_was_cancelled({{0, {}}, {1, {0}}}, 2, failing);
    }));
  }
}

// A retry behind a dependent that is queued already: the dependent reports the old failure, or the
// new value if that came first, but does not wait for what stands behind it.
TEST(Core, retrying_behind_a_queued_dependent) {
  Tally tally("core: retry behind queued dependents");
  const Graph graphs[] = {
      {{0, {}}, {0, {0}}},            // on the same stream
      {{0, {}}, {1, {0}}, {0, {1}}},  // its stream waits for the dependent
      {{0, {}}, {1, {0}}, {0, {1}}, {1, {}}},
  };
  for (const Graph& graph : graphs) {
    int n_streams = graph.size() == 2 ? 1 : 2;
    // Of node 0 alone, before the others have come to anything.
    Nodes output = none_of(graph);
    output[0] = true;
    Events retry = after_retry(graph, {expected(graph, one_failure(graph, 0))[0]}, output);
    tally.add_exhaustive(explore(dpor(), [&] {
      ModelWorld<>& world = make_world(graph, n_streams);
      auto& runs = per_execution<Plain<int>>();
      fail_node_once(world, 0, runs);
      world.post({0});
      std::vector<int> dependents = world.all_nodes();
      dependents.erase(dependents.begin());
      world.post(dependents);
      world.outcome(0).wait();
      world.retry(retry.again);
      wait_and_check(world, 0, Ending{});
      Events events = retry;
      for (int node : dependents) {
        world.outcome(node).wait();
        events.saw_before[size_t(node)] = world.outcome(node).is_failed();
      }
      wait_and_check_all(world, events, none_of(graph));
      check(runs == 2, "a body did not run once per attempt");
    }));
  }
}

// A bounded wait ends, and what it waited for is not touched.
TEST(Core, waiting_with_a_deadline) {
  Tally tally("core: time-out against settlement");
  Graph graph = {{0, {}}};
  tally.add_exhaustive(explore(dpor(), [&] {
    ModelWorld<>& world = make_world(graph, 1);
    world.post({0});
    bool settled = world.outcome(0).wait(ModelSync::clock::now() + std::chrono::seconds(1),
                                         [] { return false; });
    check(settled == world.outcome(0).is_settled() || !settled,
          "a wait says settled, and it is not");
    wait_and_check(world, 0, Ending{});
  }));
}

// Continuations: each registered one is called once, whenever it was registered.
TEST(Core, continuations) {
  Tally tally("core: continuations against settlement and removal");
  struct Count : BasicContinuation<ModelSync> {
    void settled() noexcept override { calls.fetch_add(1); }
    ModelSync::atomic<int> calls{0};
  };
  tally.add_exhaustive(explore(dpor(), [] {
    ModelOutcome outcome;
    Count stays, goes;
    bool was_pending = false, removed = false;
    bool goes_registered = outcome.on_settled(goes);
    ModelSync::thread settler([&] { outcome.settle_value(); });
    ModelSync::thread registrar([&] { was_pending = outcome.on_settled(stays); });
    if (goes_registered) removed = outcome.remove(goes);
    settler.join();
    registrar.join();
    check(stays.calls.load() == (was_pending ? 1 : 0),
          "a continuation was not called exactly once");
    check(goes.calls.load() == (removed ? 0 : 1),
          "a removed continuation was called, or another was not");
  }));
}

// Larger than can be exhausted: random priorities, with the bound that they guarantee.
TEST(Core, many_streams_sampled) {
  Tally tally("core: 4 streams, 8 tasks (PCT, depth 3)");
  Graph graph = {{0, {}},  {1, {0}}, {2, {0}}, {3, {1, 2}},
                 {0, {3}}, {1, {}},  {2, {5}}, {3, {6, 4}}};
  for (int failing = -1; failing < 8; ++failing) {
    const Endings endings = expected(graph, one_failure(graph, failing));
    tally.add(explore(pct(3, 1000), [&] {
      ModelWorld<>& world = make_world(graph, 4);
      fail_node(world, failing);
      world.post(world.all_nodes());
      ModelSync::thread other([&] { wait_and_check(world, 7, endings[7]); });
      for (int node = 0; node < 8; ++node) wait_and_check(world, node, endings[node]);
      other.join();
    }));
  }
}

// The pool: what is submitted runs once, unless submit says otherwise, and the pool's end waits.
TEST(Core, worker_pool) {
  Tally tally("core: worker pool, thread creation may fail");
  struct Job : BasicRunnable<ModelSync> {
    void run() noexcept override { runs.fetch_add(1); }
    void no_thread() noexcept override { check(false, "nobody sleeps"); }
    ModelSync::atomic<int> runs{0};
  };
  for (bool times_out : {false, true}) {
    Options options = dpor();
    options.thread_creation_may_fail = true;
    tally.add_exhaustive(explore(options, [&] {
      Job jobs[2];
      bool accepted[2];
      {
        std::optional<ModelSync::clock::duration> idle;
        if (times_out) idle = std::chrono::seconds(1);
        BasicWorkerPool<ModelSync> pool(idle);
        for (int i = 0; i < 2; ++i) accepted[i] = pool.submit(jobs[i]);
      }
      for (int i = 0; i < 2; ++i) {
        check(jobs[i].runs.load() == int(accepted[i]), "a job did not run exactly once");
      }
    }));
  }
}

// Jobs that wait for each other: the pool grows, and where it cannot it says so.
TEST(Core, worker_pool_of_jobs_that_wait) {
  Tally tally("core: worker pool with jobs that wait for another, thread creation may fail");
  struct Job : BasicRunnable<ModelSync> {
    ModelOutcome done;
    ModelOutcome* waits_for = nullptr;
    void run() noexcept override {
      if (waits_for != nullptr) waits_for->wait();
      done.settle_value();
    }
    void no_thread() noexcept override {
      done.settle_failure(make_record(FailureKind::abandoned, kNoThreadRecord));
    }
  };
  for (bool threads_may_fail : {false, true}) {
    Options options = dpor();
    options.thread_creation_may_fail = threads_may_fail;
    tally.add_exhaustive(explore(options, [&] {
      Job first, second;
      first.waits_for = &second.done;
      BasicWorkerPool<ModelSync> pool(std::nullopt);
      for (Job* job : {&first, &second}) {
        if (!pool.submit(*job)) job->no_thread();
      }
      first.done.wait();
      check(threads_may_fail || (first.done.is_value() && second.done.is_value()), "no thread");
    }));
  }
}

}  // namespace
}  // namespace tarn::model
