// Streams and threads, as programs see them.
#include <gtest/gtest.h>

#include <thread>

#include "tests/contract/programs.h"

namespace tarn {
namespace {

using contract::cpu_stream;

TEST(Streams, indices_grow_and_streams_stay_listed) {
  Stream a = new_stream(Device::cpu), b = new_stream(Device::cpu);
  EXPECT_LT(a.index, b.index);
  clear_streams();
  const std::vector<Stream> all = get_streams();
  EXPECT_NE(std::find(all.begin(), all.end(), a), all.end());
  array x = contract::fill(1, a);
  eval(x);
  EXPECT_TRUE(contract::has_values(x, 1));
}

TEST(Streams, a_context_sets_the_default_and_restores_it) {
  const Stream before = default_stream(Device::cpu);
  const Stream s = cpu_stream();
  {
    StreamContext outer(s);
    EXPECT_EQ(default_stream(Device::cpu), s);
    const array a = abs(array(1));
    EXPECT_EQ(a.node().stream, s);
    {
      StreamContext inner(before);
      EXPECT_EQ(abs(array(1)).node().stream, before);
    }
    EXPECT_EQ(abs(array(1)).node().stream, s);
  }
  EXPECT_EQ(default_stream(Device::cpu), before);
}

TEST(Streams, defaults_belong_to_threads) {
  const Stream mine = default_stream(Device::cpu);
  std::thread([&] {
    const Stream its = default_stream(Device::cpu);
    EXPECT_NE(its, mine);
    EXPECT_EQ(default_stream(Device::cpu), its);
    StreamContext context(cpu_stream());
  }).join();
  EXPECT_EQ(default_stream(Device::cpu), mine);
}

TEST(Streams, a_default_that_is_not_current_stays_its_threads) {
  const Stream mine = default_stream(Device::cpu);
  StreamContext context(cpu_stream());
  std::thread([&] { EXPECT_NE(default_stream(Device::cpu), mine); }).join();
}

TEST(Streams, threads_that_use_contexts_hand_their_defaults_on) {
  auto use = [] {
    StreamContext context(get_streams().front());
    array a = array(1) + array(1);
    EXPECT_EQ(a.item<int>(), 2);
  };
  std::thread(use).join();
  const size_t n_streams = get_streams().size();
  for (int i = 0; i < 20; ++i) std::thread(use).join();
  EXPECT_EQ(get_streams().size(), n_streams);
}

TEST(Streams, a_thread_local_stream_is_one_per_thread) {
  const ThreadLocalStream local = new_thread_local_stream(Device::cpu);
  const Stream mine = stream_from_thread_local_stream(local);
  EXPECT_EQ(stream_from_thread_local_stream(local), mine);
  array a = abs(array(-1), local);
  EXPECT_EQ(a.node().stream, mine);
  std::thread([&] {
    const Stream its = stream_from_thread_local_stream(local);
    EXPECT_NE(its, mine);
    array b = add(a, array(1), local);
    EXPECT_EQ(b.node().stream, its);
    EXPECT_EQ(b.item<int>(), 2);
  }).join();
}

TEST(Streams, handles_made_by_hand_are_refused) {
  EXPECT_THROW(default_stream(Device(Device::cpu, 7)), std::invalid_argument);
  EXPECT_THROW(set_default_stream(Stream(1 << 20, Device::cpu)), std::invalid_argument);
  EXPECT_THROW(synchronize(Stream(-1, Device::cpu)), std::invalid_argument);
  if (!is_available(Device::gpu)) {
    EXPECT_THROW(new_stream(Device::gpu), std::invalid_argument);
    EXPECT_THROW(set_default_device(Device::gpu), std::invalid_argument);
  }
}

TEST(Streams, an_operation_may_evaluate_arrays_of_other_streams) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  const array shared = contract::fill(3, s2);
  const array outer =
      contract::operation("outer", s, {contract::fill(1, s)}, [=](auto& inputs, auto& outputs) {
        array inner = contract::plus(add(shared, inputs[0], s2), 10, s);
        eval(inner);
        contract::fill_output(outputs[0], contract::value_of(inner));
      });
  eval(outer, shared);
  EXPECT_TRUE(contract::has_values(outer, 14));
}

TEST(Threads, shared_graphs_are_computed_once) {
  constexpr int kThreads = 8, kRounds = 50, kNodes = 40;
  const Stream streams[] = {cpu_stream(), cpu_stream(), cpu_stream()};
  for (int round = 0; round < kRounds; ++round) {
    std::vector<contract::Runs> runs;
    std::vector<array> nodes{contract::fill(1, streams[0])};
    for (int i = 1; i < kNodes; ++i) {
      const Stream s = streams[i % 3];
      const array& previous = nodes[size_t(i - 1)];
      if (i % 4 == 0) {
        runs.push_back(contract::count_runs());
        nodes.push_back(contract::plus(previous, 1, s, {.runs = runs.back()}));
      } else {
        nodes.push_back(add(previous, array(1.0f), s));
      }
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = kNodes - 1 - t; i >= 0; i -= 5) {
          array a = nodes[size_t(i)];
          i % 2 ? eval(a) : async_eval(a);
          array own = a + array(0.5f);
          eval(own);
          EXPECT_TRUE(contract::has_values(own, float(i) + 1.5f));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    eval(nodes);
    for (int i = 0; i < kNodes; ++i) {
      EXPECT_TRUE(contract::has_values(nodes[size_t(i)], float(i) + 1));
    }
    for (const contract::Runs& each : runs) EXPECT_EQ(*each, 1);
  }
}

TEST(Threads, handles_may_be_dropped_while_work_is_queued) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  const size_t at_rest = get_active_memory();
  const contract::Runs runs = contract::count_runs();
  contract::Gate gate;
  {
    array a = contract::fill(1, s, {gate.pass(), runs});
    array b = contract::plus(a, 1, s2, {.runs = runs});
    async_eval(contract::plus(b, 1, s, {.runs = runs}));
  }
  gate.open();
  contract::settle_everything();
  contract::settle_everything();  // work that was parked when its stream was synchronized
  EXPECT_EQ(*runs, 3);
  EXPECT_EQ(get_active_memory(), at_rest);
}

TEST(Origins, scopes_name_what_is_built_in_them) {
  auto origin_of = [](const array& a) { return a.node().origin; };
  EXPECT_EQ(origin_of(abs(array(1))), nullptr);
  OriginScope outer("layer 1");
  {
    OriginScope inner("layer 2");
    EXPECT_EQ(origin_of(abs(array(1)))->describe(), "layer 2");
  }
  EXPECT_EQ(origin_of(abs(array(1)))->describe(), "layer 1");
  std::thread([&] { EXPECT_EQ(origin_of(abs(array(1))), nullptr); }).join();
}

TEST(Origins, tracking_records_where_nodes_are_built) {
  set_origin_tracking(true);
  array a = contract::fail("A", cpu_stream());
  set_origin_tracking(false);
  EXPECT_THROW(eval(a), EvalError);
  EXPECT_FALSE(a.failure()->origin.empty());
  EXPECT_EQ(abs(array(1)).node().origin, nullptr);
}

TEST(Origins, a_scope_without_a_text_names_its_own_place) {
  OriginScope here;
  EXPECT_NE(abs(array(1)).node().origin->describe().find("streams_test.cpp"), std::string::npos);
}

}  // namespace
}  // namespace tarn
