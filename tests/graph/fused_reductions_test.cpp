// Reductions of elementwise work read it as it is computed: without memory for it, to the same
// bits.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tarn/runtime/memory.h"
#include "tarn/tarn.h"
#include "tests/graph/memory_at_rest.h"

namespace tarn {
namespace {

constexpr int kSide = 1024;

array random_matrix(int seed) {
  array matrix = random::normal({kSide, kSide}, float32, 0, 1, random::key(uint64_t(seed)));
  matrix.eval();
  return matrix;
}

struct Reduction {
  const char* name;
  array (*of)(const array& elements);
};
constexpr Reduction kReductions[] = {
    {"all", [](const array& x) { return sum(x); }},
    {"rows", [](const array& x) { return sum(x, 1); }},
    {"columns", [](const array& x) { return sum(x, 0); }},
    {"mean", [](const array& x) { return mean(x); }},
    {"max", [](const array& x) { return max(x, 1, true); }},
    {"any", [](const array& x) { return any(x > array(4.0f)); }},
    {"count", [](const array& x) { return sum(x > array(0.0f), 0); }},
    {"in half precision", [](const array& x) { return sum(astype(x, bfloat16), 1); }},
    {"in double", [](const array& x) { return sum(astype(x, float64), 1); }},
    {"of short rows",
     [](const array& x) {
       return sum(abs(reshape(x, {-1, 64})), 1);
     }},
    {"of few columns",
     [](const array& x) {
       return sum(abs(reshape(x, {-1, 64})), 0);
     }},
};

TEST(FusedReductions, take_no_memory_for_what_they_read) {
  const array a = random_matrix(1), b = random_matrix(2);
  for (const auto& [name, reduction] : kReductions) {
    if (std::string_view(name).starts_with("of")) continue;  // the reshaped value is stored
    const size_t before = active_memory_at_rest();
    reset_peak_memory();
    array result = reduction(a * b);
    result.eval();
    EXPECT_LT(get_peak_memory(), before + a.nbytes() / 4) << name;
  }
}

TEST(FusedReductions, give_the_bits_of_reductions_of_stored_values) {
  const array a = random_matrix(1), b = random_matrix(2);
  const array row = slice(b, {0, 0}, {1, kSide}), column = slice(b, {0, 0}, {kSide, 1});
  const std::function<array()> values[] = {
      [&] { return a * b; },
      [&] { return exp(a - column) * row; },
      [&] { return transpose(a) + transpose(b); },
      [&] { return a * transpose(b); },
  };
  for (const auto& [name, reduction] : kReductions) {
    for (const auto& value : values) {
      array stored = value();
      stored.eval();
      EXPECT_TRUE(array_equal(reduction(value()), reduction(stored)).item<bool>()) << name;
    }
  }
}

TEST(FusedReductions, of_values_that_are_used_elsewhere) {
  const array a = random_matrix(1), b = random_matrix(2);
  array product = a * b;
  array shifted = product - max(product, 1, true);
  array total = sum(exp(shifted), 1, true);
  array normal = exp(shifted) / total;
  array kept = a + b;
  array of_kept = sum(kept * kept);
  eval(total, normal, of_kept, kept);
  EXPECT_TRUE(allclose(normal, softmax(product, 1), 1e-5, 1e-7).item<bool>());
  EXPECT_TRUE(allclose(of_kept, sum(square(kept))).item<bool>());
  EXPECT_TRUE(array_equal(kept, a + b).item<bool>());
}

TEST(FusedReductions, on_another_stream_than_what_they_read) {
  const array a = random_matrix(1);
  const Stream one = new_stream(Device::cpu), other = new_stream(Device::cpu);
  array expected = sum(abs(a, one), one);
  EXPECT_EQ(sum(abs(a, one), other).item<float>(), expected.item<float>());
}

}  // namespace
}  // namespace tarn
