// Deep and wide graphs, and what memory they hold while they are evaluated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn {
namespace {

using contract::cpu_stream;

constexpr int kMillion = 1000000;
constexpr size_t kMiB = size_t{1} << 20;

// Runs `body` on a thread whose stack holds no recursion over a graph.
template <class Body>
void on_small_stack(Body body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 512 << 10);
  pthread_t thread;
  auto run = [](void* erased) -> void* {
    (*static_cast<Body*>(erased))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(LargeGraphs, a_chain_of_a_million_nodes) {
  on_small_stack([] {
    array a = array(0.0f);
    for (int i = 0; i < kMillion; ++i) a = a + array(1.0f);
    a.eval();
    EXPECT_EQ(a.item<float>(), kMillion);
  });
}

TEST(LargeGraphs, a_chain_that_is_dropped_unevaluated) {
  on_small_stack([] {
    array a = array(0.0f);
    for (int i = 0; i < kMillion; ++i) a = reshape(abs(a), i % 2 ? Shape{1} : Shape{1, 1});
    (void)a.shape();
  });
  EXPECT_EQ(get_active_memory(), 0u);
}

TEST(LargeGraphs, a_chain_across_two_streams) {
  Stream s = cpu_stream(), s2 = cpu_stream();
  on_small_stack([&] {
    array a = array(0.0f);
    for (int i = 0; i < 20000; ++i) a = add(a, array(1.0f), i % 2 ? s : s2);
    a.eval();
    EXPECT_EQ(a.item<float>(), 20000);
  });
}

TEST(LargeGraphs, a_failure_at_the_root_of_a_deep_chain) {
  Stream s = cpu_stream();
  on_small_stack([&] {
    array a = contract::fail_at_first(1, "A", 1, s);
    array end = a;
    for (int i = 0; i < 100000; ++i) end = sum(broadcast_to(end, {3}, s), true, s);
    EXPECT_EQ(contract::root_of([&] { eval(end); }), "A");
    EXPECT_EQ(end.failure(), a.failure());
    retry({end});
    EXPECT_TRUE(end.is_available());
  });
}

TEST(LargeGraphs, deep_graphs_can_be_printed) {
  on_small_stack([] {
    array a = array(0.0f);
    for (int i = 0; i < 100000; ++i) a = abs(a);
    std::ostringstream text;
    print_graph(text, {a});
    const std::string lines = text.str();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 100000);
  });
}

TEST(LargeGraphs, wide_ones) {
  std::vector<array> leaves;
  for (int i = 0; i < 20000; ++i) leaves.push_back(array(1.0f) + array(float(i % 3)));
  array total = sum(stack(leaves));
  EXPECT_EQ(total.item<float>(), 20000 + 6666 * 3 + 1);
  std::vector<array> many;
  for (int i = 0; i < 20000; ++i) many.push_back(total + array(float(i)));
  eval(many);
  EXPECT_EQ(many.back().item<float>(), total.item<float>() + 19999);
}

TEST(LargeGraphs, shared_nodes_are_computed_once_however_many_paths_there_are) {
  array a = array(1.0f);
  for (int i = 0; i < 100; ++i) a = (a + a) * array(0.5f);  // 2^100 paths
  EXPECT_EQ(a.item<float>(), 1);
}

TEST(LargeGraphs, memory_falls_as_the_graph_advances) {
  Stream s = cpu_stream();
  const size_t at_rest = get_active_memory();
  array a = zeros({int(kMiB / 4)}, s);
  for (int i = 0; i < 50; ++i) {
    // Not elementwise, so that each step has a result of its own.
    a = reshape(softmax(reshape(a, {1024, 256}, s), -1, false, s), {int(kMiB / 4)}, s);
  }
  reset_peak_memory();
  a.eval();
  EXPECT_LE(get_peak_memory() - at_rest, 3 * kMiB);
  EXPECT_LE(get_active_memory() - at_rest, kMiB + 4096);
}

// --- donation ---

class Donation : public testing::Test {
 protected:
  // 1 MiB of ones, evaluated.
  static array megabyte() {
    array a = ones({int(kMiB / 4)});
    array copied = contiguous(a + array(0.0f));
    copied.eval();
    return copied;
  }
};

TEST_F(Donation, a_dying_input_gives_its_memory) {
  array a = megabyte();
  const void* bytes = a.data<float>();
  reset_peak_memory();
  const size_t before = get_active_memory();
  a = exp(a);
  a.eval();
  EXPECT_EQ(a.data<float>(), bytes);
  EXPECT_LE(get_peak_memory(), before + 4096);
  a = a + array(1.0f);
  a.eval();
  EXPECT_EQ(a.data<float>(), bytes);
}

TEST_F(Donation, through_views_that_die_with_it) {
  array a = megabyte();
  const void* bytes = a.data<float>();
  a = abs(transpose(reshape(a, {512, 512})));
  a.eval();
  EXPECT_EQ(a.data<float>(), bytes);
}

// Scans and updates of parts write over an input that dies.
TEST_F(Donation, to_kernels_that_may_overwrite) {
  array a = megabyte();
  const void* bytes = a.data<float>();
  reset_peak_memory();
  const size_t before = get_active_memory();
  a = cumsum(cumsum(a, 0), 0);
  a = slice_update(a, array({7.0f}), Shape{1}, Shape{2});
  a = scatter_add(a, array({0}), array({100.0f}, {1, 1}), 0);
  a.eval();
  EXPECT_EQ(a.data<float>(), bytes);
  EXPECT_LT(get_peak_memory(), before + kMiB / 2);
  EXPECT_THAT(std::vector<float>(a.data<float>(), a.data<float>() + 3),
              testing::ElementsAre(101, 7, 6));
}

TEST_F(Donation, an_update_leaves_a_living_input_alone) {
  array a = megabyte();
  array b = scatter(a, array({1}), array({9.0f}, {1, 1}), 0), c = cumsum(a, 0);
  eval(b, c);
  EXPECT_EQ(a.data<float>()[1], 1);
  EXPECT_EQ(b.data<float>()[1], 9);
  EXPECT_EQ(c.data<float>()[1], 2);
}

TEST_F(Donation, a_living_input_keeps_its_memory) {
  array a = megabyte();
  array view = reshape(a, {512, 512});
  view.eval();
  array b = exp(a);
  b.eval();
  EXPECT_NE(b.data<float>(), a.data<float>());
  EXPECT_EQ(a.data<float>()[0], 1);
  // Nobody holds `a` itself, but the view shows its bytes.
  a = array(0.0f);
  array c = negative(flatten(view));
  c.eval();
  EXPECT_NE(c.data<float>(), view.data<float>());
  EXPECT_EQ(view.data<float>()[5], 1);
}

TEST_F(Donation, one_that_is_used_twice_or_is_too_small) {
  array a = megabyte();
  array b = a * a + a;
  a = array(0.0f);
  EXPECT_EQ(slice(b, {0}, {1}).item<float>(), 2);
  array small = array({1.0f, 2.0f});
  array wide = astype(small, float64) * array(2.0, float64);
  small = array(0.0f);
  wide.eval();
  EXPECT_EQ(wide.data<double>()[1], 4);
}

TEST_F(Donation, the_users_memory_may_be_donated_only_once_it_is_nobodys) {
  std::vector<float> mine(256, 3.0f);
  array a(mine.data(), {256}, float32, [](void*) {});
  array b = negative(a);
  b.eval();
  EXPECT_NE(b.data<float>(), mine.data());
  EXPECT_EQ(mine[0], 3);
  EXPECT_EQ(b.data<float>()[0], -3);
}

}  // namespace
}  // namespace tarn
