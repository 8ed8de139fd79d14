// P3: operations that may write into an input which dies with them. Whatever makes them fail, its
// bytes are those that a retry, or another reader, needs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "tarn/runtime/memory_testing.h"
#include "tests/contract/programs.h"

namespace tarn::contract {
namespace {

constexpr int kSize = 1024;
// More than a scatter sorts before its first write.
constexpr int kManyIndices = (1 << 20) + 1;

// An input whose only owner is the operation that reads it, and where its bytes are.
class DyingInput {
 public:
  array make(Stream s) {
    return operation("input", s, {},
                     [where = where_](auto&, auto& outputs) {
                       fill_output(outputs[0], 0);
                       float* const data = outputs[0].template data<float>();
                       std::iota(data, data + kSize, 1.0f);
                       *where = data;
                     },
                     {kSize});
  }
  // Null until it was computed.
  const float* where() const { return *where_; }
  // Requires: what reads it has failed, and so still holds it.
  bool is_intact() const {
    for (int i = 0; i < kSize; ++i) {
      if (where()[i] != float(1 + i)) return false;
    }
    return true;
  }

 private:
  const std::shared_ptr<const float*> where_ = std::make_shared<const float*>(nullptr);
};

// Data that the test changes between two runs of the operation.
template <class T>
array of_memory(std::vector<T>& data, Dtype dtype = int32) {
  return array(data.data(), {int(data.size())}, dtype, [](void*) {});
}

std::vector<float> values_of(const array& a) {
  const float* const data = a.data<float>();
  return {data, data + a.size()};
}

using Build = std::function<array(const array& input)>;

// `build` reads its input with bad data until `repair` is called.
void expect_intact_after_failure(const char* name, const Build& build,
                                 const std::function<void()>& repair) {
  SCOPED_TRACE(name);
  const Stream s = cpu_stream();
  DyingInput input;
  const array result = build(input.make(s));
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THROW(attempt == 0 ? eval(result) : retry({result}), IndexError);
    ASSERT_NE(input.where(), nullptr);
    EXPECT_TRUE(input.is_intact());
  }
  const float* const bytes = input.where();
  repair();
  DyingInput fresh;
  const array unshared = fresh.make(s);  // held, so nothing is donated
  const array expected = build(unshared);
  eval(expected);
  retry({result});
  EXPECT_EQ(values_of(result), values_of(expected));
  EXPECT_EQ(result.data<float>(), bytes) << "the input was not donated: this test proves nothing";
  EXPECT_NE(expected.data<float>(), fresh.where());
}

TEST(Contract, contract_p03_an_operation_that_finds_a_bad_index_has_not_written_into_its_input) {
  using Scatter = array (*)(const array&, const array&, const array&, int, StreamOrDevice);
  const std::pair<const char*, Scatter> scatters[] = {{"scatter", scatter},
                                                      {"scatter_add", scatter_add},
                                                      {"scatter_prod", scatter_prod},
                                                      {"scatter_max", scatter_max},
                                                      {"scatter_min", scatter_min}};
  for (const auto& [name, scatter_function] : scatters) {
    for (const int n : {3, kManyIndices}) {
      std::vector<int32_t> indices(static_cast<size_t>(n));
      for (int i = 0; i < n; ++i) indices[size_t(i)] = i % kSize;
      indices.back() = kSize;
      expect_intact_after_failure(
          name,
          [&, put = scatter_function](const array& input) {
            return put(input, of_memory(indices), full({n, 1}, 2.5f), 0, {});
          },
          [&] { indices.back() = 7; });
    }
  }
  std::vector<int32_t> indices{0, 5, -kSize - 1};
  const auto repair = [&] { indices.back() = -kSize; };
  for (auto* along_axis : {put_along_axis, scatter_add_axis}) {
    indices.back() = -kSize - 1;
    expect_intact_after_failure(
        "along an axis",
        [&](const array& input) {
          return along_axis(input, of_memory(indices), array({5.5f, 6.5f, 7.5f}), 0, {});
        },
        repair);
  }
  std::vector<int32_t> start{kSize - 1};
  expect_intact_after_failure(
      "slice_update",
      [&](const array& input) {
        return slice_update(input, array({5.5f, 6.5f}), of_memory(start), {0});
      },
      [&] { start[0] = kSize - 2; });
  std::vector<uint8_t> mask(kSize, 1);  // of more elements than there are to put
  expect_intact_after_failure(
      "masked_scatter",
      [&](const array& input) {
        return masked_scatter(input, of_memory(mask, bool_), full({2}, 5.5f));
      },
      [&] { std::fill(mask.begin() + 1, mask.end() - 1, uint8_t{0}); });
}

// Each of these writes over its input, and asks for memory besides.
const std::pair<const char*, Build> kOverwriting[] = {
    {"scatter_add",
     [](const array& input) {
       return scatter_add(input, array({1, 1}), full({2, 1}, 2.5f), 0);
     }},
    {"put_along_axis",
     [](const array& input) { return put_along_axis(input, array({3}), array({2.5f}), 0); }},
    {"slice_update",
     [](const array& input) {
       return slice_update(input, array({2.5f, 3.5f}), Shape{5}, Shape{7});
     }},
    {"masked_scatter",
     [](const array& input) {
       return masked_scatter(input, less(arange(kSize), array(2)), full({2}, 2.5f));
     }},
    {"cumsum", [](const array& input) { return cumsum(input, 0); }},
    {"hadamard_transform", [](const array& input) { return hadamard_transform(input); }},
    {"rms_norm", [](const array& input) { return fast::rms_norm(input, std::nullopt, 1e-5f); }},
    {"fused", [](const array& input) { return sqrt(abs(input * array(2.5f))); }},
};

TEST(Contract, contract_p03_an_operation_without_memory_has_not_written_into_its_input) {
  for (const auto& [name, build] : kOverwriting) {
    SCOPED_TRACE(name);
    const StreamContext context(cpu_stream());
    const Stream s = default_stream(Device::cpu);
    DyingInput golden_input;
    const array golden = build(golden_input.make(s));
    eval(golden);
    EXPECT_EQ(golden.data<float>(), golden_input.where()) << "not donated: this proves nothing";

    bool has_failed = false;
    for (uint64_t n = 1;; ++n) {
      DyingInput input;
      const array result = build(input.make(s));
      uint64_t tried;
      {
        const memory_testing::AllocationFault fault(n);
        const EvalReport report = try_eval({result});
        settle_everything();
        tried = fault.tried();
        if (!report.ok()) {
          EXPECT_EQ(result.failure()->kind, FailureKind::out_of_memory);
          has_failed = true;
          EXPECT_TRUE(input.where() == nullptr || input.is_intact()) << "allocation " << n;
        }
      }
      retry({result});
      EXPECT_EQ(values_of(result), values_of(golden)) << "allocation " << n;
      if (tried < n) break;
    }
    EXPECT_TRUE(has_failed);
  }
}

// One program writes both: the first over the input, the second where there is no memory.
TEST(Contract, contract_p03_a_fused_program_without_memory_has_not_written_into_its_input) {
  const StreamContext context(cpu_stream());
  const Stream s = default_stream(Device::cpu);
  for (const bool has_memory : {true, false}) {
    DyingInput input;
    const array first = negative(input.make(s)), second = abs(first);
    {
      // The first allocation is the input's.
      const memory_testing::AllocationFault fault(has_memory ? 0 : 2,
                                                  memory_testing::Fail::from_then_on);
      EXPECT_EQ(try_eval({first, second}).ok(), has_memory);
    }
    if (has_memory) {
      EXPECT_EQ(first.data<float>(), input.where()) << "not donated: this proves nothing";
    } else {
      EXPECT_TRUE(input.is_intact());
      retry({first, second});
    }
    for (int i = 0; i < kSize; ++i) {
      ASSERT_EQ(first.data<float>()[i], -float(1 + i));
      ASSERT_EQ(second.data<float>()[i], float(1 + i));
    }
  }
}

// A sum that has stored what it reads, over the input if it may, finds no memory for its chunks.
TEST(Contract, contract_p03_a_sum_without_memory_for_its_chunks_has_not_written_into_its_input) {
  const Stream s = cpu_stream();
  constexpr int kRow = 50'000;
  const auto total_of_squares = [&] {
    const array twos = operation(
        "input", s, {}, [](auto&, auto& outputs) { fill_output(outputs[0], 2); }, {2, 3, kRow});
    return sum(square(negative(twos, s), s), std::vector<int>{0, 2}, false, s);
  };
  for (uint64_t n = 1;; ++n) {
    array total = total_of_squares();
    uint64_t tried;
    {
      const memory_testing::AllocationFault fault(n);
      try_eval({total});
      tried = fault.tried();
    }
    if (total.status() == array::Status::failed) retry({total});
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(total.data<float>()[i], 2 * kRow * 4) << "allocation " << n;
    }
    if (tried < n) break;
    ASSERT_LT(n, 20);
  }
}

TEST(Contract, contract_p03_another_reader_of_the_input_reads_what_it_was) {
  for (const auto& [name, build] : kOverwriting) {
    SCOPED_TRACE(name);
    const StreamContext context(cpu_stream());
    const Stream s = default_stream(Device::cpu);
    DyingInput input;
    std::optional<array> shared = input.make(s);
    const array result = build(*shared);
    // Runs after it.
    const array reader = operation(
        "reader", s, {*shared, result},
        [](auto& inputs, auto& outputs) { outputs[0].copy_shared_buffer(inputs[0]); }, {kSize});
    shared.reset();
    eval(reader, result);
    EXPECT_NE(result.data<float>(), input.where());
    for (int i = 0; i < kSize; ++i) ASSERT_EQ(reader.data<float>()[i], float(1 + i));
  }
}

// An operation of the user, which may write and then fail, is not told that it may have its input.
TEST(Contract, contract_p03_operations_of_the_user_are_donated_nothing) {
  const Stream s = cpu_stream();
  DyingInput input;
  int left = 1;
  const array result = operation("user", s, {input.make(s)},
                                 [&left](auto& inputs, auto& outputs) {
                                   EXPECT_FALSE(inputs[0].is_donatable());
                                   const float* const from = inputs[0].template data<float>();
                                   // As programs for MLX do it.
                                   if (inputs[0].is_donatable()) {
                                     outputs[0].copy_shared_buffer(inputs[0]);
                                   } else {
                                     outputs[0].set_data(allocator::malloc(outputs[0].nbytes()));
                                   }
                                   for (int i = 0; i < kSize; ++i) {
                                     outputs[0].template data<float>()[i] = from[i] + 1;
                                     if (i == kSize / 2 && left-- > 0)
                                       throw std::runtime_error("half-way");
                                   }
                                 },
                                 {kSize});
  EXPECT_EQ(root_of([&] { eval(result); }), "half-way");
  EXPECT_TRUE(input.is_intact());
  retry({result});
  for (int i = 0; i < kSize; ++i) ASSERT_EQ(result.data<float>()[i], float(2 + i));
}

}  // namespace
}  // namespace tarn::contract
