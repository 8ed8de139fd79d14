#include "tarn/kernels/cpu/copy.h"

#include <gtest/gtest.h>

#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

template <class Word>
void expect_copied(TestArray& from, TestArray& to) {
  cpu::copy(from.view(), to.view());
  ASSERT_EQ(to.elements<Word>(), from.elements<Word>())
      << to.shape() << " from "
      << Strides(from.view().strides, from.view().strides + from.view().ndim) << " to "
      << Strides(to.view().strides, to.view().strides + to.view().ndim);
}

template <class Word>
class Copy : public testing::Test {
 public:
  static Dtype dtype() { return dtype_of<Word>; }
};
using Words = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(Copy, Words);

TYPED_TEST(Copy, any_layout_to_any_layout) {
  std::mt19937 random(1);
  for (int i = 0; i < 1500; ++i) {
    const Shape shape = random_shape(random, 5, i % 10 == 0 ? 20 : 6);
    Shape source = shape;
    if (pick(random, 0, 3) == 0) {
      for (auto& dim : source) dim = pick(random, 0, 2) == 0 && dim > 0 ? 1 : dim;
    }
    auto from = TestArray::random_layout(this->dtype(), source, random);
    from.fill_random_bytes(random);
    from.broadcast_to(shape);
    auto to = TestArray::random_layout(this->dtype(), shape, random);
    ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(from, to));
  }
}

// Large enough for tasks, blocks and their edges.
TYPED_TEST(Copy, large_transpositions) {
  std::mt19937 random(2);
  for (const auto& [rows, cols] : {std::pair{1030, 517}, {2048, 512}, {3, 400'001}, {400'001, 3}}) {
    TestArray from(this->dtype(), {cols, rows});
    from.fill_random_bytes(random);
    from.transpose({1, 0});
    TestArray to(this->dtype(), {rows, cols});
    ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(from, to));
  }
}

// Past the size from which the target is streamed: aligned rows, unaligned rows, planes.
TYPED_TEST(Copy, streamed) {
  std::mt19937 random(3);
  constexpr int kN = (9 << 20) / sizeof(TypeParam) / 1024;
  TestArray square(this->dtype(), {1024, kN});
  square.fill_random_bytes(random);
  TestArray flat(this->dtype(), {1024, kN});
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(square, flat));
  TestArray padded(this->dtype(), Layout{{1024, kN}, {kN + 3, 1}, 1}, 1024 * (kN + 3) + 1);
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(square, padded));

  square.transpose({1, 0});
  TestArray transposed(this->dtype(), {kN, 1024});
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(square, transposed));
  TestArray odd(this->dtype(), Layout{{kN, 1024}, {1027, 1}, 1}, kN * 1027 + 1);
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(square, odd));
  // Some lines more than are read at once.
  TestArray wide(this->dtype(), {1024 + 64 / int(sizeof(TypeParam)), kN});
  wide.fill_random_bytes(random);
  wide.transpose({1, 0});
  TestArray wider(this->dtype(), {kN, 1024 + 64 / int(sizeof(TypeParam))});
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(wide, wider));

  TestArray planes(this->dtype(), {64, kN / 2, 34});
  planes.fill_random_bytes(random);
  planes.transpose({0, 2, 1});
  TestArray channels_last(this->dtype(), {64, 34, kN / 2});
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(planes, channels_last));
}

TYPED_TEST(Copy, overlapping_source_windows) {
  TestArray from(this->dtype(), Layout{{500, 300}, {1, 1}, 0}, 800);
  std::mt19937 random(4);
  from.fill_random_bytes(random);
  TestArray to(this->dtype(), {500, 300});
  ASSERT_NO_FATAL_FAILURE(expect_copied<TypeParam>(from, to));
}

TYPED_TEST(Copy, writes_nothing_between_the_elements) {
  TestArray gaps(this->dtype(), Layout{{700, 300}, {601, 2}, 0}, 700 * 601);
  TestArray everything(this->dtype(), Layout{{700 * 601}, {1}, 0}, 700 * 601);
  const TypeParam mark = gaps.elements<TypeParam>()[0];
  TestArray zeros(this->dtype(), Layout{{700, 300}, {0, 0}, 0}, 1);
  zeros.set(std::vector<TypeParam>(700 * 300, 0));
  cpu::copy(zeros.view(), gaps.view());
  const View all{
      gaps.view().data, everything.view().shape, everything.view().strides, 1, this->dtype(),
      700 * 601};
  cpu::copy(all, everything.view());
  int64_t zeros_seen = 0;
  for (TypeParam x : everything.elements<TypeParam>()) {
    ASSERT_TRUE(x == 0 || x == mark);
    zeros_seen += x == 0;
  }
  EXPECT_EQ(zeros_seen, 700 * 300);
}

TEST(Concatenate, joins_along_any_axis) {
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    Shape shape = random_shape(random, 4, 5);
    if (shape.empty()) shape = {3};
    const int axis = pick(random, 0, static_cast<int>(shape.size()) - 1);
    std::vector<TestArray> inputs;
    std::vector<View> views;
    int total = 0;
    for (int n = pick(random, 1, 4); n > 0; --n) {
      shape[axis] = pick(random, 0, 3);
      total += shape[axis];
      inputs.push_back(TestArray::random_layout(int32, shape, random));
      inputs.back().fill_random_bytes(random);
    }
    for (TestArray& input : inputs) views.push_back(input.view());
    shape[axis] = total;
    TestArray to(int32, shape);
    cpu::concatenate(views, axis, to.view());

    int64_t inner = 1;
    for (size_t k = axis + 1; k < shape.size(); ++k) inner *= shape[k];
    const auto got = to.elements<int32_t>();
    std::vector<std::vector<int32_t>> parts;
    for (TestArray& input : inputs) parts.push_back(input.elements<int32_t>());
    const int64_t outer = got.empty() ? 0 : static_cast<int64_t>(got.size()) / (total * inner);
    std::vector<int32_t> want;
    for (int64_t o = 0; o < outer; ++o) {
      for (size_t k = 0; k < parts.size(); ++k) {
        const int64_t piece = inputs[k].shape()[axis] * inner;
        want.insert(want.end(), parts[k].begin() + o * piece, parts[k].begin() + (o + 1) * piece);
      }
    }
    ASSERT_EQ(got, want);
  }
}

}  // namespace
}  // namespace tarn
