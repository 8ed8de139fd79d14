// Repeated, tiled, rolled and padded arrays: where each element must have come from.
#include "tarn/ops/functions/rearrange.h"

#include "tarn/kernels/cpu/pad.h"
#include "tests/kernels/numbered_array.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using Widths = std::vector<std::pair<int, int>>;

constexpr int kOutside = -7;

// The place in 0, 1, …, size - 1 whose element a padded axis has at `place`, or none: counted one
// by one to and fro.
int place_in_axis(PadMode mode, int place, int size) {
  if (place >= 0 && place < size) return place;
  if (mode == PadMode::constant) return kOutside;
  if (mode == PadMode::edge || size == 1) return place < 0 ? 0 : size - 1;
  int at = place < 0 ? 0 : size - 1, step = place < 0 ? -1 : 1;
  for (int left = place < 0 ? -place : place - size + 1; left > 0; --left) {
    if (at + step >= 0 && at + step < size) {
      at += step;
    } else {
      step = -step;
      if (mode == PadMode::reflect) at += step;
    }
  }
  return at;
}

constexpr std::pair<const char*, PadMode> kModes[] = {{"constant", PadMode::constant},
                                                      {"edge", PadMode::edge},
                                                      {"reflect", PadMode::reflect},
                                                      {"symmetric", PadMode::symmetric}};

int padded_number(PadMode mode, const Shape& shape, const Shape& low, Shape index) {
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    index[axis] = place_in_axis(mode, index[axis] - low[axis], shape[axis]);
    if (index[axis] == kOutside) return kOutside;
  }
  return number_at(shape, index);
}

// Word stands for any dtype of its size.
template <class Word>
void expect_kernel_pads(Dtype dtype, PadMode mode, std::mt19937& random) {
  Shape shape = random_shape(random, 4, 6);
  if (mode != PadMode::constant) {
    for (auto& dim : shape) dim = std::max(dim, 1);
  }
  TestArray from = TestArray::random_layout(dtype, shape, random);
  from.fill_random_bytes(random);
  Shape low, padded;
  for (int dim : shape) {
    low.push_back(pick(random, 0, 2) == 0 ? 0 : pick(random, 0, 15));
    padded.push_back(dim + low.back() + (pick(random, 0, 2) == 0 ? 0 : pick(random, 0, 15)));
  }
  const Word value = Word(random());
  TestArray to = TestArray::random_layout(dtype, padded, random);
  cpu::pad(mode, from.view(), low, &value, to.view());
  const std::vector<Word> elements = from.elements<Word>(), got = to.elements<Word>();
  size_t i = 0;
  for_each_index(padded, [&](const Shape& index) {
    const int number = padded_number(mode, shape, low, index);
    ASSERT_EQ(got[i++], number == kOutside ? value : elements[size_t(number)])
        << shape << " in " << padded << " from " << low << " on, at " << index;
  });
}

TEST(Pad, any_layout_and_dtype_in_any_mode) {
  std::mt19937 random(1);
  for (const auto& [name, mode] : kModes) {
    SCOPED_TRACE(name);
    for (int i = 0; i < 60; ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_kernel_pads<uint8_t>(bool_, mode, random));
      ASSERT_NO_FATAL_FAILURE(expect_kernel_pads<uint16_t>(bfloat16, mode, random));
      ASSERT_NO_FATAL_FAILURE(expect_kernel_pads<uint32_t>(float32, mode, random));
      ASSERT_NO_FATAL_FAILURE(expect_kernel_pads<uint64_t>(complex64, mode, random));
    }
  }
}

TEST(Pad, sizes_in_every_form) {
  const Shape inside{2, 3};
  const array a = numbered(inside);
  const auto expect_padded = [&](const array& padded, Shape low, Shape shape) {
    expect_numbers(padded, shape, [&](const Shape& index) {
      return padded_number(PadMode::constant, inside, low, index);
    });
  };
  const array value(kOutside);
  expect_padded(pad(a, 1, value), {1, 1}, {4, 5});
  expect_padded(pad(a, std::pair(0, 2), value), {0, 0}, {4, 5});
  expect_padded(pad(a, Widths{{1, 0}, {2, 3}}, value), {1, 2}, {3, 8});
  expect_padded(pad(a, {-1}, Shape{4}, Shape{0}, value), {0, 4}, {2, 7});
  expect_padded(pad(a, {1, 0}, Shape{1, 2}, Shape{3, 4}, value), {2, 1}, {8, 7});
  expect_numbers(pad(array(5), 3), {}, [](const Shape&) { return 5; });
  expect_numbers(pad(array({}, int32), 2, value), {4}, [](const Shape&) { return kOutside; });
  const array unpadded = pad(a, 0);
  EXPECT_EQ(unpadded.id(), a.id());
}

TEST(Pad, the_value_takes_the_dtype_of_the_array) {
  EXPECT_EQ(values_of<int>(pad(array({1, 2}), 1, array(2.9))), (std::vector<int>{2, 1, 2, 2}));
  EXPECT_EQ(values_of<float>(pad(array({1.5f}), 1, array({3}, Shape{1, 1}))),
            (std::vector<float>{3, 1.5f, 3}));
}

TEST(Pad, modes_by_name) {
  const array a = array({1, 2, 3});
  const std::pair<int, int> sizes{4, 2};
  EXPECT_EQ(values_of<int>(pad(a, sizes)), (std::vector<int>{0, 0, 0, 0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(values_of<int>(pad(a, sizes, array(0), "edge")),
            (std::vector<int>{1, 1, 1, 1, 1, 2, 3, 3, 3}));
  EXPECT_EQ(values_of<int>(pad(a, sizes, array(0), "reflect")),
            (std::vector<int>{1, 2, 3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(values_of<int>(pad(a, sizes, array(0), "symmetric")),
            (std::vector<int>{3, 3, 2, 1, 1, 2, 3, 3, 2}));
}

TEST(Pad, mistakes) {
  const array a = numbered({2, 3});
  EXPECT_THROW(pad(a, -1), std::invalid_argument);
  EXPECT_THROW(pad(a, std::pair(0, -1), array(0), "edge"), std::invalid_argument);
  EXPECT_THROW(pad(a, Widths{{1, 1}}), std::invalid_argument);
  EXPECT_THROW(pad(a, {0, 1}, Shape{1}, Shape{1, 1}), std::invalid_argument);
  EXPECT_THROW(pad(a, {2}, Shape{1}, Shape{1}), std::invalid_argument);
  EXPECT_THROW(pad(a, {0, -2}, Shape{1, 1}, Shape{1, 1}), std::invalid_argument);
  EXPECT_THROW(pad(a, 1, array({1, 2})), std::invalid_argument);
  EXPECT_THROW(pad(a, 1, array(0), "wrap"), std::invalid_argument);
  for (const char* mode : {"edge", "reflect", "symmetric"}) {
    EXPECT_THROW(pad(zeros({2, 0}), 1, array(0), mode), std::invalid_argument);
    EXPECT_EQ(pad(zeros({2, 0}), Widths{{1, 1}, {0, 0}}, array(0), mode).shape(), (Shape{4, 0}));
  }
  EXPECT_THROW(pad(a, INT32_MAX), std::overflow_error);
}

TEST(Repeat, each_slice_follows_itself) {
  std::mt19937 random(2);
  for (int i = 0; i < 100; ++i) {
    Shape shape = random_shape(random, 4, 5);
    if (shape.empty()) shape = {3};
    const array a = numbered(shape, random);
    const int axis = pick(random, 0, int(shape.size()) - 1), n = pick(random, 0, 4);
    Shape repeated = shape;
    repeated[axis] *= n;
    const array got = repeat(a, n, random() % 2 ? axis : axis - int(shape.size()));
    ASSERT_NO_FATAL_FAILURE(expect_numbers(got, repeated, [&](Shape index) {
      index[axis] /= n;
      return number_at(shape, index);
    }));
    const int size = int(size_of_shape(shape));
    ASSERT_NO_FATAL_FAILURE(
        expect_numbers(repeat(a, n), {size * n}, [&](const Shape& index) { return index[0] / n; }));
  }
}

TEST(Repeat, mistakes) {
  EXPECT_THROW(repeat(array({1, 2}), -1), std::invalid_argument);
  EXPECT_THROW(repeat(array({1, 2}), 2, 1), std::invalid_argument);
  EXPECT_THROW(repeat(zeros({1 << 20}), 1 << 12), std::overflow_error);
  EXPECT_EQ(repeat(array(3), 2).shape(), Shape{2});
}

TEST(Tile, the_array_follows_itself) {
  std::mt19937 random(3);
  for (int i = 0; i < 100; ++i) {
    const Shape shape = random_shape(random, 3, 4);
    const array a = numbered(shape, random);
    std::vector<int> reps(size_t(pick(random, 0, 4)));
    for (int& n : reps) n = pick(random, 0, 3);
    const size_t ndim = std::max(shape.size(), reps.size());
    Shape tiled(ndim, 1);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      tiled[ndim - shape.size() + axis] = shape[axis];
    }
    for (size_t axis = 0; axis < reps.size(); ++axis)
      tiled[ndim - reps.size() + axis] *= reps[axis];
    ASSERT_NO_FATAL_FAILURE(expect_numbers(tile(a, reps), tiled, [&](const Shape& index) {
      Shape inside(index.end() - int64_t(shape.size()), index.end());
      for (size_t axis = 0; axis < shape.size(); ++axis) inside[axis] %= shape[axis];
      return number_at(shape, inside);
    }));
  }
}

TEST(Tile, mistakes) {
  EXPECT_THROW(tile(array({1, 2}), {2, -1}), std::invalid_argument);
  EXPECT_THROW(tile(zeros({1 << 20}), {1 << 12}), std::overflow_error);
}

TEST(Roll, along_any_axes) {
  std::mt19937 random(4);
  for (int i = 0; i < 100; ++i) {
    const Shape shape = random_shape(random, 4, 5);
    const array a = numbered(shape, random);
    Shape shift;
    std::vector<int> axes;
    for (int axis = 0; axis < int(shape.size()); ++axis) {
      if (random() % 3 == 0) continue;
      axes.push_back(random() % 2 ? axis : axis - int(shape.size()));
      shift.push_back(pick(random, -12, 12));
    }
    ASSERT_NO_FATAL_FAILURE(expect_numbers(roll(a, shift, axes), shape, [&](Shape index) {
      for (size_t k = 0; k < axes.size(); ++k) {
        const size_t axis = size_t(axes[k] < 0 ? axes[k] + int(shape.size()) : axes[k]);
        index[axis] = ((index[axis] - shift[k]) % shape[axis] + shape[axis]) % shape[axis];
      }
      return number_at(shape, index);
    }));
    const int by = pick(random, -9, 9), size = int(size_of_shape(shape));
    ASSERT_NO_FATAL_FAILURE(expect_numbers(roll(a, by), shape, [&](const Shape& index) {
      return ((number_at(shape, index) - by) % size + size) % size;
    }));
  }
}

TEST(Roll, shifts_in_every_form) {
  const array a = array({0, 1, 2, 3, 4});
  const std::vector<int> by_two{3, 4, 0, 1, 2};
  EXPECT_EQ(values_of<int>(roll(a, 2)), by_two);
  EXPECT_EQ(values_of<int>(roll(a, Shape{1, 3, -2})), by_two);
  EXPECT_EQ(values_of<int>(roll(a, -3, 0)), by_two);
  EXPECT_EQ(values_of<int>(roll(a, Shape{3, 4}, -1)), by_two);
  EXPECT_EQ(values_of<int>(roll(a, 1, std::vector<int>{0, 0})), by_two);
  EXPECT_EQ(values_of<int>(roll(a, Shape{7, 100}, std::vector<int>{0})), by_two);
  EXPECT_EQ(values_of<int>(roll(a, INT32_MIN, 0)), values_of<int>(roll(a, INT32_MIN % 5, 0)));
  EXPECT_EQ(roll(array({}), 3).shape(), Shape{0});
  EXPECT_THROW(roll(a, 1, 1), std::invalid_argument);
  EXPECT_THROW(roll(a, Shape{1}, std::vector<int>{0, 0}), std::invalid_argument);
  EXPECT_THROW(roll(a, Shape{INT32_MAX, 1}), std::overflow_error);
  EXPECT_THROW(roll(a, Shape{INT32_MIN, -1}, 0), std::overflow_error);
}

}  // namespace
}  // namespace tarn
