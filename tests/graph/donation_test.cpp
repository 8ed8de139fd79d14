// Results take over the memory of inputs that nobody else holds, also through views: chains of work
// need no more memory than their first array.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tarn/runtime/memory.h"
#include "tarn/tarn.h"
#include "tests/graph/memory_at_rest.h"

namespace tarn {
namespace {

constexpr int kSide = 1024;

// Bytes beyond those of a matrix that `chain` needs to turn it into its result.
size_t extra_peak(const std::function<array(array)>& chain) {
  array matrix = full({kSide, kSide}, -1.5f);
  matrix.eval();
  const size_t before = active_memory_at_rest();
  reset_peak_memory();
  array result = chain(std::move(matrix));
  result.eval();
  EXPECT_EQ(result.dtype(), float32);
  return std::max(get_peak_memory(), before) - before;
}

TEST(DonationThroughViews, through_elementwise_work_and_views) {
  const struct {
    const char* name;
    array (*chain)(array);
  } cases[] = {
      {"abs", [](array a) { return abs(a); }},
      {"reshape",
       [](array a) {
         return abs(reshape(abs(a), {-1, 16}));
       }},
      {"transpose twice", [](array a) { return abs(transpose(transpose(abs(a)))); }},
      {"transpose", [](array a) { return abs(transpose(abs(a))); }},
      {"stop_gradient", [](array a) { return abs(stop_gradient(abs(a))); }},
      {"leading slice",
       [](array a) {
         return abs(slice(abs(a), {0, 0}, {kSide - 1, kSide}));
       }},
      {"trailing slice",
       [](array a) {
         return abs(slice(a, {1, 0}, {kSide, kSide}));
       }},
      {"flatten and unflatten",
       [](array a) {
         return abs(unflatten(flatten(a), 0, {-1, 8}));
       }},
      {"moveaxis", [](array a) { return abs(moveaxis(expand_dims(a, 0), 1, 0)); }},
      {"split", [](array a) { return abs(split(a, 4)[2]); }},
  };
  for (const auto& [name, chain] : cases) EXPECT_EQ(extra_peak(chain), 0u) << name;
}

TEST(DonationThroughViews, not_of_what_somebody_holds) {
  std::vector<array> held;
  EXPECT_EQ(extra_peak([&](array a) {
              held.push_back(a);
              return abs(a);
            }),
            size_t{kSide * kSide * 4});
  EXPECT_EQ(held[0].data<float>()[5], -1.5f);
  held.clear();
  EXPECT_EQ(extra_peak([&](array a) {
              held.push_back(slice(a, {0, 0}, {1, 8}));
              held[0].eval();
              return abs(a);
            }),
            size_t{kSide * kSide * 4});
  EXPECT_EQ(held[0].data<float>()[5], -1.5f);
}

TEST(DonationThroughViews, memory_returns_to_where_it_was) {
  const size_t before = active_memory_at_rest();
  extra_peak([](array a) { return concatenate(split(pad(a, 3), 2, 1), 0); });
  EXPECT_EQ(active_memory_at_rest(), before);
}

}  // namespace
}  // namespace tarn
