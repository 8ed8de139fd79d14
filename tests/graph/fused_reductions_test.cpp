// Reductions of elementwise work read it as it is computed: without memory for it, to the same
// bits.
#include <gtest/gtest.h>

#include <string>
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

// As many of the matrix's elements as the shape has.
array reshape_of(const array& matrix, const Shape& shape) {
  array elements = reshape(slice(flatten(matrix), {0}, {int(size_of_shape(shape))}), shape);
  elements.eval();
  return elements;
}

struct Reduction {
  const char* name;
  array (*of)(const array& elements);
};
constexpr Reduction kReductions[] = {
    {"sum of all", [](const array& x) { return sum(x); }},
    {"sum of rows", [](const array& x) { return sum(x, 1); }},
    {"sum of columns", [](const array& x) { return sum(x, 0); }},
    {"mean", [](const array& x) { return mean(x); }},
    {"max", [](const array& x) { return max(x, 1, true); }},
    {"any", [](const array& x) { return any(x, 0); }},
};

struct Elements {
  const char* name;
  array (*of)(const array& a, const array& b);
  bool is_stored = false;  // by the reduction, after all
};
const array first_row(const array& a) { return slice(a, {0, 0}, {1, a.shape(1)}); }
const array first_column(const array& a) { return slice(a, {0, 0}, {a.shape(0), 1}); }
constexpr Elements kElements[] = {
    {"a b", [](const array& a, const array& b) { return a * b; }},
    {"broadcast",
     [](const array& a, const array& b) { return exp(a - first_column(b)) * first_row(b); }},
    {"both transposed", [](const array& a, const array& b) { return transpose(a) + transpose(b); }},
    {"one transposed", [](const array& a, const array& b) { return a * transpose(b); }, true},
    {"compared", [](const array& a, const array& b) { return a > b; }},
    {"bfloat16", [](const array& a, const array& b) { return astype(a * b, bfloat16); }},
    {"float64",
     [](const array& a, const array& b) { return astype(a, float64) * array(0.1, float64) + b; }},
    {"complex64", [](const array& a, const array& b) { return astype(a, complex64) + b; }, true},
};

TEST(FusedReductions, take_no_memory_for_what_they_read) {
  const array a = random_matrix(1), b = random_matrix(2);
  for (const Reduction& reduction : kReductions) {
    for (const Elements& elements : kElements) {
      const size_t before = active_memory_at_rest();
      reset_peak_memory();
      array result = reduction.of(elements.of(a, b));
      result.eval();
      const bool takes_memory = get_peak_memory() > before + a.size() / 2;
      EXPECT_EQ(takes_memory, elements.is_stored) << reduction.name << ", " << elements.name;
    }
  }
}

TEST(FusedReductions, give_the_bits_of_reductions_of_stored_values) {
  for (const Shape& shape : {Shape{kSide, kSide}, Shape{10'000, 70}, Shape{70, 10'000}}) {
    const array a = reshape_of(random_matrix(1), shape), b = reshape_of(random_matrix(2), shape);
    for (const Elements& elements : kElements) {
      if (shape[0] != shape[1] && std::string(elements.name) == "one transposed") continue;
      array stored = elements.of(a, b);
      stored.eval();
      for (const Reduction& reduction : kReductions) {
        const array equal = array_equal(reduction.of(elements.of(a, b)), reduction.of(stored));
        EXPECT_TRUE(array(equal).item<bool>()) << reduction.name << ", " << elements.name << shape;
      }
    }
  }
}

// Rows of the value are not in the order in which it lies in memory.
TEST(FusedReductions, of_axes_in_another_order) {
  const array x = reshape(random_matrix(1), {64, 32, 512});
  for (const std::vector<int>& axes : {std::vector{2}, {0}, {1}, {0, 1}, {0, 2}, {1, 2}}) {
    array stored = square(transpose(x, {1, 0, 2}));
    stored.eval();
    const array fused = sum(square(transpose(x, {1, 0, 2})), axes);
    EXPECT_TRUE(array_equal(fused, sum(stored, axes)).item<bool>());
  }
}

// Two groups, joined by their sum; a value that is an operand twice.
TEST(FusedReductions, of_groups_that_were_joined) {
  const array a = random_matrix(1), b = random_matrix(2);
  const auto value = [&] {
    array left = abs(a), right = exp(b);
    array both = left + right;
    return both * both - left;
  };
  array stored = value();
  stored.eval();
  EXPECT_TRUE(array_equal(sum(value(), 1), sum(stored, 1)).item<bool>());
}

// As many instructions as a program may have, which leaves no room for a conversion.
TEST(FusedReductions, of_the_longest_programs) {
  for (const Dtype dtype : {float32, bfloat16}) {
    for (int n : {62, 63, 64, 65, 130}) {
      const array a = astype(random_matrix(1), dtype);
      const auto value = [&] {
        array x = a;
        for (int i = 0; i < n; ++i) x = i % 2 == 0 ? abs(x) : negative(x);
        return x;
      };
      array stored = value();
      stored.eval();
      EXPECT_TRUE(array_equal(sum(value(), 0), sum(stored, 0)).item<bool>()) << n;
    }
  }
}

// More than could be stored, or computed.
TEST(FusedReductions, of_more_elements_than_there_can_be) {
  for (const Dtype dtype : {float32, float64}) {
    const array one = broadcast_to(array(1.0, dtype), {1 << 30, 1 << 30, 2});
    EXPECT_THROW(eval(sum(one + one)), EvalError);
    EXPECT_THROW(eval(one + one), EvalError);
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
