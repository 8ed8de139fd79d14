// Views: where each element must have come from, that no bytes were copied, and what is refused.
#include "tarn/ops/functions/shape.h"

#include "tests/kernels/element_groups.h"
#include "tests/kernels/numbered_array.h"

namespace tarn {
namespace {

bool shares_bytes(array view, array a) {
  view.eval();
  a.eval();
  const std::byte* const first = static_cast<std::byte*>(a.buffer().raw_ptr());
  const std::byte* const seen = view.data<std::byte>();
  return seen >= first && seen < first + a.buffer_size();
}

Shape shape_with_an_axis(std::mt19937& random) {
  Shape shape = random_shape(random, 4, 5);
  if (shape.empty()) shape = {3};
  return shape;
}

TEST(Flip, any_axes) {
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    const Shape shape = random_shape(random, 4, 5);
    const std::vector<int> axes = random_axes(random, shape);
    ASSERT_NO_FATAL_FAILURE(
        expect_numbers(flip(numbered(shape, random), axes), shape, [&](Shape index) {
          for (int axis : axes) index[axis] = shape[axis] - 1 - index[axis];
          return number_at(shape, index);
        }));
  }
  const array a = numbered({2, 3});
  EXPECT_EQ(values_of<int>(flip(a)), (std::vector<int>{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(values_of<int>(flip(a, -1)), (std::vector<int>{2, 1, 0, 5, 4, 3}));
  EXPECT_EQ(values_of<int>(flip(a, {0})), (std::vector<int>{3, 4, 5, 0, 1, 2}));
  EXPECT_TRUE(shares_bytes(flip(a), a));
  EXPECT_THROW(flip(a, 2), std::invalid_argument);
  EXPECT_THROW(flip(a, {0, -2}), std::invalid_argument);
}

TEST(MoveAxis, to_any_place) {
  std::mt19937 random(2);
  for (int i = 0; i < 100; ++i) {
    const Shape shape = shape_with_an_axis(random);
    const int ndim = int(shape.size());
    const int from = pick(random, 0, ndim - 1), to = pick(random, 0, ndim - 1);
    Shape moved = shape;
    moved.erase(moved.begin() + from);
    moved.insert(moved.begin() + to, shape[from]);
    const array got = moveaxis(numbered(shape, random), random() % 2 ? from : from - ndim,
                               random() % 2 ? to : to - ndim);
    ASSERT_NO_FATAL_FAILURE(expect_numbers(got, moved, [&](Shape index) {
      const int along = index[to];
      index.erase(index.begin() + to);
      index.insert(index.begin() + from, along);
      return number_at(shape, index);
    }));
  }
  EXPECT_THROW(moveaxis(numbered({2, 3}), 2, 0), std::out_of_range);
  EXPECT_THROW(moveaxis(numbered({2, 3}), 0, -3), std::out_of_range);
}

TEST(SwapAxes, and_what_it_refuses) {
  const array a = numbered({2, 3, 4});
  expect_numbers(swapaxes(a, 0, -1), {4, 3, 2}, [](const Shape& index) {
    return number_at({2, 3, 4}, {index[2], index[1], index[0]});
  });
  EXPECT_THROW(swapaxes(a, 0, 3), std::out_of_range);
  EXPECT_THROW(swapaxes(a, -4, 0), std::out_of_range);
}

TEST(Diagonal, of_any_planes) {
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    Shape shape = random_shape(random, 4, 6);
    while (shape.size() < 2) shape.push_back(pick(random, 0, 5));
    const int ndim = int(shape.size());
    const int axis1 = pick(random, 0, ndim - 1);
    const int axis2 = (axis1 + pick(random, 1, ndim - 1)) % ndim;
    const int offset = pick(random, -7, 7);
    int length = 0;
    for (int row = 0; row < shape[axis1]; ++row) {
      length += row + offset >= 0 && row + offset < shape[axis2];
    }
    Shape rest;
    for (int axis = 0; axis < ndim; ++axis) {
      if (axis != axis1 && axis != axis2) rest.push_back(shape[axis]);
    }
    rest.push_back(length);
    const array a = numbered(shape, random);
    ASSERT_NO_FATAL_FAILURE(
        expect_numbers(diagonal(a, offset, axis1 - ndim, axis2), rest, [&](const Shape& index) {
          Shape from;
          size_t next = 0;
          for (int axis = 0; axis < ndim; ++axis) {
            from.push_back(axis == axis1   ? index.back() + std::max(0, -offset)
                           : axis == axis2 ? index.back() + std::max(0, offset)
                                           : index[next++]);
          }
          return number_at(shape, from);
        }));
  }
  const array a = numbered({3, 4});
  EXPECT_TRUE(shares_bytes(diagonal(a, 1), a));
  EXPECT_EQ(diagonal(a, INT32_MIN).shape(), Shape{0});
  EXPECT_EQ(diagonal(a, INT32_MAX).shape(), Shape{0});
  EXPECT_THROW(diagonal(array({1, 2})), std::invalid_argument);
  EXPECT_THROW(diagonal(a, 0, 0, 2), std::out_of_range);
  EXPECT_THROW(diagonal(a, 0, -3, 0), std::out_of_range);
  EXPECT_THROW(diagonal(a, 0, 1, -1), std::invalid_argument);
}

// The elements of one piece: those of `a` from `first` on along the axis.
void expect_piece(const array& piece, Shape shape, int axis, int first, int length) {
  Shape part = shape;
  part[axis] = length;
  expect_numbers(piece, part, [&](Shape index) {
    index[axis] += first;
    return number_at(shape, index);
  });
}

TEST(Split, into_equal_pieces) {
  std::mt19937 random(4);
  for (int i = 0; i < 50; ++i) {
    Shape shape = shape_with_an_axis(random);
    const int axis = pick(random, 0, int(shape.size()) - 1);
    const int n = pick(random, 1, 4), length = pick(random, 0, 3);
    shape[axis] = n * length;
    const array a = numbered(shape, random);
    const std::vector<array> pieces = split(a, n, axis - int(shape.size()));
    ASSERT_EQ(int(pieces.size()), n);
    for (int k = 0; k < n; ++k) {
      ASSERT_NO_FATAL_FAILURE(expect_piece(pieces[k], shape, axis, k * length, length));
    }
  }
  const array a = numbered({6, 2});
  EXPECT_TRUE(shares_bytes(split(a, 3)[2], a));
  EXPECT_THROW(split(a, 4), std::invalid_argument);
  EXPECT_THROW(split(a, 0), std::invalid_argument);
  EXPECT_THROW(split(a, -2), std::invalid_argument);
  EXPECT_THROW(split(a, 2, 2), std::invalid_argument);
  EXPECT_THROW(split(array(1), 1), std::invalid_argument);
}

TEST(Split, at_indices_as_in_a_slice) {
  const array a = numbered({2, 7});
  const auto expect_lengths = [&](const Shape& indices, const std::vector<int>& firsts,
                                  const std::vector<int>& lengths) {
    const std::vector<array> pieces = split(a, indices, 1);
    ASSERT_EQ(pieces.size(), lengths.size());
    for (size_t i = 0; i < pieces.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_piece(pieces[i], {2, 7}, 1, firsts[i], lengths[i]));
    }
  };
  expect_lengths({2, 5}, {0, 2, 5}, {2, 3, 2});
  expect_lengths({}, {0}, {7});
  expect_lengths({-5, 9}, {0, 2, 7}, {2, 5, 0});
  expect_lengths({5, 2}, {0, 0, 2}, {5, 0, 5});
  EXPECT_EQ(split(numbered({4}), Shape{1}).size(), 2u);
}

TEST(Unstack, and_stack_again) {
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    const Shape shape = shape_with_an_axis(random);
    const int axis = pick(random, 0, int(shape.size()) - 1);
    const std::vector<array> slices = unstack(numbered(shape, random), axis);
    ASSERT_EQ(int(slices.size()), shape[axis]);
    Shape rest = shape;
    rest.erase(rest.begin() + axis);
    for (int k = 0; k < shape[axis]; ++k) {
      ASSERT_NO_FATAL_FAILURE(expect_numbers(slices[k], rest, [&](Shape index) {
        index.insert(index.begin() + axis, k);
        return number_at(shape, index);
      }));
    }
  }
  const array a = numbered({2, 3});
  EXPECT_EQ(values_of<int>(unstack(a)[1]), (std::vector<int>{3, 4, 5}));
  EXPECT_TRUE(shares_bytes(unstack(a)[1], a));
  EXPECT_THROW(unstack(a, 2), std::invalid_argument);
  EXPECT_THROW(unstack(array(1)), std::invalid_argument);
}

TEST(Flatten, and_unflatten) {
  const array a = numbered({2, 3, 4});
  EXPECT_EQ(flatten(a, 1).shape(), (Shape{2, 12}));
  EXPECT_EQ(flatten(a, -9, 1).shape(), (Shape{6, 4}));
  EXPECT_EQ(flatten(a, 0, 9).shape(), Shape{24});
  EXPECT_EQ(flatten(array(1)).shape(), Shape{1});
  EXPECT_THROW(flatten(a, 2, 1), std::invalid_argument);
  EXPECT_THROW(flatten(a, 3), std::invalid_argument);
  EXPECT_THROW(flatten(broadcast_to(a, {1 << 20, 1 << 20, 2, 3, 4}), 0, 1), std::overflow_error);

  EXPECT_EQ(unflatten(a, -1, {2, -1}).shape(), (Shape{2, 3, 2, 2}));
  EXPECT_EQ(unflatten(a, 1, {3, 1, 1}).shape(), (Shape{2, 3, 1, 1, 4}));
  EXPECT_TRUE(shares_bytes(unflatten(transpose(a), 0, {2, 2}), a));
  expect_numbers(unflatten(flatten(a, 1), 1, {3, 4}), {2, 3, 4}, [](const Shape& index) {
    return number_at({2, 3, 4}, index);
  });
  EXPECT_THROW(unflatten(a, 1, {2, 2}), std::invalid_argument);
  EXPECT_THROW(unflatten(a, 1, {}), std::invalid_argument);
  EXPECT_THROW(unflatten(a, 2, {-1, -1}), std::invalid_argument);
  EXPECT_THROW(unflatten(a, 2, {-2, -2}), std::invalid_argument);
  EXPECT_THROW(unflatten(a, 2, {-1, 3}), std::invalid_argument);
  EXPECT_THROW(unflatten(a, 3, {2, 2}), std::invalid_argument);
  EXPECT_THROW(unflatten(array(1), 0, {1}), std::invalid_argument);
}

TEST(Reshape, infers_one_dimension) {
  const array a = numbered({2, 3, 4});
  EXPECT_EQ(reshape(a, {4, -1}).shape(), (Shape{4, 6}));
  EXPECT_EQ(reshape(zeros({0, 3}), {-1}).shape(), Shape{0});
  EXPECT_EQ(reshape(zeros({0, 3}), {-1, 2}).shape(), (Shape{0, 2}));
  EXPECT_EQ(reshape(zeros({0, 3}), {5, 0}).shape(), (Shape{5, 0}));
  EXPECT_THROW(reshape(zeros({0, 3}), {-1, 0}), std::invalid_argument);
  EXPECT_THROW(reshape(a, {5, -1}), std::invalid_argument);
  EXPECT_THROW(reshape(a, {-1, -1}), std::invalid_argument);
  EXPECT_THROW(reshape(a, {-2, -12}), std::invalid_argument);
  EXPECT_THROW(reshape(a, {23}), std::invalid_argument);
  EXPECT_THROW(reshape(broadcast_to(array(1), {1 << 20, 1 << 20}), {-1}), std::overflow_error);
}

TEST(ExpandDims, and_squeeze) {
  const array a = numbered({2, 3});
  EXPECT_EQ(expand_dims(a, {0, -1}).shape(), (Shape{1, 2, 3, 1}));
  EXPECT_EQ(expand_dims(a, -2).shape(), (Shape{2, 1, 3}));
  EXPECT_THROW(expand_dims(a, {0, -4}), std::invalid_argument);
  EXPECT_THROW(expand_dims(a, 3), std::invalid_argument);
  EXPECT_EQ(squeeze(expand_dims(a, {0, 2, 4})).shape(), (Shape{2, 3}));
  EXPECT_EQ(squeeze(expand_dims(a, {0, 2, 4}), {0, -1}).shape(), (Shape{2, 1, 3}));
  EXPECT_THROW(squeeze(a, 0), std::invalid_argument);
  EXPECT_THROW(squeeze(a, 2), std::invalid_argument);
}

TEST(AtLeast, axes_are_added_where_numpy_adds_them) {
  const array vector = numbered({3}), matrix = numbered({2, 3}), cube = numbered({2, 3, 4});
  const array scalar(1);
  EXPECT_EQ(atleast_1d(scalar).shape(), Shape{1});
  EXPECT_EQ(atleast_2d(scalar).shape(), (Shape{1, 1}));
  EXPECT_EQ(atleast_3d(scalar).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(atleast_1d(vector).id(), vector.id());
  EXPECT_EQ(atleast_2d(vector).shape(), (Shape{1, 3}));
  EXPECT_EQ(atleast_3d(vector).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(atleast_2d(matrix).id(), matrix.id());
  EXPECT_EQ(atleast_3d(matrix).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(atleast_3d(cube).id(), cube.id());
  EXPECT_EQ(atleast_1d(std::vector<array>{scalar, vector})[0].shape(), Shape{1});
  EXPECT_EQ(atleast_2d(std::vector<array>{scalar, vector})[1].shape(), (Shape{1, 3}));
  EXPECT_EQ(atleast_3d(std::vector<array>{scalar, vector})[1].shape(), (Shape{1, 3, 1}));
}

TEST(BroadcastArrays, to_the_shape_of_all) {
  const std::vector<array> all =
      broadcast_arrays({numbered({3, 1}), array(7), numbered({2, 1, 4}), numbered({4})});
  const Shape shape{2, 3, 4};
  expect_numbers(all[0], shape, [](const Shape& index) { return index[1]; });
  expect_numbers(all[1], shape, [](const Shape&) { return 7; });
  expect_numbers(all[2], shape, [](const Shape& index) { return index[0] * 4 + index[2]; });
  expect_numbers(all[3], shape, [](const Shape& index) { return index[2]; });
  EXPECT_TRUE(broadcast_arrays({}).empty());
  EXPECT_THROW(broadcast_arrays({numbered({2}), numbered({3})}), std::invalid_argument);
  EXPECT_THROW(broadcast_to(numbered({2, 3}), {3}), std::invalid_argument);
  EXPECT_THROW(broadcast_to(array(1), {-5}), std::invalid_argument);
  const Shape huge(4, 1 << 16);
  EXPECT_THROW(broadcast_to(array(1), huge), std::overflow_error);
  // More than can be counted, but of two that can.
  const array rows = broadcast_to(array(1), {1 << 16, 1 << 16, 1, 1});
  const array columns = broadcast_to(array(1), {1 << 16, 1 << 16});
  EXPECT_ANY_THROW(add(rows, columns).eval());
  EXPECT_THROW(broadcast_to(numbered({3}), {-2, 3}), std::invalid_argument);
}

TEST(AsStrided, any_places_of_the_flat_array) {
  const array a = numbered({4, 6});
  const auto windows = [](const Shape& index) { return 2 + index[0] + 3 * index[1]; };
  const array seen = as_strided(a, {5, 6}, {1, 3}, 2);
  expect_numbers(seen, {5, 6}, windows);
  EXPECT_TRUE(shares_bytes(seen, a));
  expect_numbers(as_strided(transpose(a), {24}, {1}, 0), {24},
                 [](const Shape& index) { return index[0] % 4 * 6 + index[0] / 4; });
  expect_numbers(as_strided(a, {3, 2}, {-7, 0}, 23), {3, 2},
                 [](const Shape& index) { return 23 - 7 * index[0]; });
  // Work on overlapping windows does not write to them.
  expect_numbers(as_strided(numbered({30}) + array(0), {5, 6}, {1, 3}, 2) + array(1), {5, 6},
                 [&](const Shape& index) { return windows(index) + 1; });
  EXPECT_EQ(as_strided(a, {0, 5}, {1, 1}, 1000).size(), 0u);
  EXPECT_THROW(as_strided(a, {5}, {6}, 0), std::invalid_argument);
  EXPECT_THROW(as_strided(a, {2}, {-1}, 0), std::invalid_argument);
  EXPECT_THROW(as_strided(a, {}, {}, 24), std::invalid_argument);
  EXPECT_THROW(as_strided(a, {3, 3}, {INT64_MAX, INT64_MAX}, SIZE_MAX), std::invalid_argument);
  EXPECT_THROW(as_strided(a, {2}, {1, 1}, 0), std::invalid_argument);
  EXPECT_THROW(as_strided(a, {-1}, {1}, 0), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
