#include "tarn/base/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "tarn/base/view.h"

namespace tarn {
namespace {

// Offsets of all elements in row-major order: what a layout means.
std::vector<int64_t> offsets(const Layout& layout) {
  std::vector<int64_t> result = {layout.offset};
  for (size_t i = 0; i < layout.shape.size(); ++i) {
    std::vector<int64_t> next;
    for (int64_t offset : result) {
      for (int j = 0; j < layout.shape[i]; ++j) next.push_back(offset + j * layout.strides[i]);
    }
    result = std::move(next);
  }
  return result;
}

// Layouts as chains of view operations make them, and a few that only as_strided could.
class RandomLayouts {
 public:
  Layout next() {
    Shape shape(pick(0, 4));
    for (auto& dim : shape) dim = pick(0, 9) == 0 ? pick(0, 1) : pick(1, 4);
    Layout layout = row_major(shape);
    for (int steps = pick(0, 3); steps > 0; --steps) {
      switch (pick(0, 3)) {
        case 0:
          layout = permute(layout, permutation(layout.shape.size()));
          break;
        case 1:
          layout = random_slice(layout);
          break;
        case 2: {
          Shape stretched = layout.shape;
          for (auto& dim : stretched) dim = dim == 1 ? pick(1, 3) : dim;
          if (pick(0, 1)) stretched.insert(stretched.begin(), pick(1, 3));
          layout = {stretched, broadcast_strides(layout, stretched), layout.offset};
          break;
        }
        case 3:
          for (auto& stride : layout.strides) stride = pick(0, 4) == 0 ? pick(-3, 5) : stride;
          break;
      }
    }
    return layout;
  }

  Layout random_slice(const Layout& layout) {
    const size_t ndim = layout.shape.size();
    Shape start(ndim), stop(ndim), steps(ndim);
    for (size_t i = 0; i < ndim; ++i) {
      start[i] = pick(-6, 6);
      stop[i] = pick(-6, 6);
      steps[i] = pick(0, 1) ? pick(1, 3) : pick(-3, -1);
    }
    return slice(layout, resolve_slice(layout.shape, start, stop, steps));
  }

  std::vector<int> permutation(size_t n) {
    std::vector<int> axes(n);
    std::iota(axes.begin(), axes.end(), 0);
    std::shuffle(axes.begin(), axes.end(), random_);
    return axes;
  }

  int pick(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }

  // A shape with the same number of elements.
  Shape other_shape(const Shape& shape) {
    int64_t left = size_of_shape(shape);
    Shape result;
    if (left == 0) return {pick(0, 3), 0};
    while (left > 1) {
      const int factor = pick(1, static_cast<int>(std::min<int64_t>(left, 8)));
      if (left % factor != 0) continue;
      result.push_back(factor);
      left /= factor;
    }
    std::shuffle(result.begin(), result.end(), random_);
    return result;
  }

 private:
  std::mt19937 random_{3};
};

TEST(Layout, broadcast_shapes) {
  EXPECT_EQ(broadcast_shapes({2, 1, 3}, {4, 1}), (Shape{2, 4, 3}));
  EXPECT_EQ(broadcast_shapes({}, {5}), (Shape{5}));
  EXPECT_EQ(broadcast_shapes({1}, {0}), (Shape{0}));
  EXPECT_THROW(broadcast_shapes({2}, {0}), std::invalid_argument);
  EXPECT_THROW(broadcast_shapes({2, 3}, {2}), std::invalid_argument);
}

TEST(Layout, broadcast_repeats_elements) {
  RandomLayouts layouts;
  for (int i = 0; i < 2000; ++i) {
    const Layout layout = layouts.next();
    Shape shape = layout.shape;
    for (auto& dim : shape) dim = dim == 1 ? layouts.pick(0, 3) : dim;
    shape.insert(shape.begin(), layouts.pick(1, 3));
    const Layout wide{shape, broadcast_strides(layout, shape), layout.offset};
    const auto narrow_offsets = offsets(layout);
    // The narrow index of each wide element, computed by counting through the wide shape.
    Shape narrow_strides(shape.size(), 0);
    int stride = 1;
    for (size_t axis = layout.shape.size(); axis-- > 0;) {
      narrow_strides[axis + 1] = layout.shape[axis] == 1 ? 0 : stride;
      stride *= layout.shape[axis];
    }
    Layout index = row_major(shape);
    for (size_t axis = 0; axis < shape.size(); ++axis) index.strides[axis] = narrow_strides[axis];
    std::vector<int64_t> want;
    for (int64_t at : offsets(index)) want.push_back(narrow_offsets[static_cast<size_t>(at)]);
    ASSERT_EQ(offsets(wide), want);
  }
}

TEST(Layout, permute_reorders_axes) {
  RandomLayouts layouts;
  for (int i = 0; i < 2000; ++i) {
    const Layout layout = layouts.next();
    const auto axes = layouts.permutation(layout.shape.size());
    const Layout permuted = permute(layout, axes);
    auto sorted = [](std::vector<int64_t> v) {
      std::sort(v.begin(), v.end());
      return v;
    };
    ASSERT_EQ(sorted(offsets(permuted)), sorted(offsets(layout)));
    for (size_t axis = 0; axis < axes.size(); ++axis) {
      ASSERT_EQ(permuted.shape[axis], layout.shape[static_cast<size_t>(axes[axis])]);
      ASSERT_EQ(permuted.strides[axis], layout.strides[static_cast<size_t>(axes[axis])]);
    }
  }
}

// Python's own definition of slice.indices, element by element.
std::vector<int> python_slice(int dim, int start, int stop, int step) {
  const auto resolve = [&](int bound) {
    if (bound < 0) bound += dim;
    return step > 0 ? std::clamp(bound, 0, dim) : std::clamp(bound, -1, dim - 1);
  };
  std::vector<int> result;
  for (int i = resolve(start); step > 0 ? i < resolve(stop) : i > resolve(stop); i += step) {
    result.push_back(i);
  }
  return result;
}

TEST(Layout, slice_as_in_python) {
  for (int dim = 0; dim <= 5; ++dim) {
    const Layout layout = row_major({dim});
    for (int start = -8; start <= 8; ++start) {
      for (int stop = -8; stop <= 8; ++stop) {
        for (int step : {-7, -2, -1, 1, 2, 3}) {
          const auto bounds = resolve_slice({dim}, {start}, {stop}, {step});
          const auto got = offsets(slice(layout, bounds));
          const auto want = python_slice(dim, start, stop, step);
          ASSERT_EQ(got, std::vector<int64_t>(want.begin(), want.end()))
              << dim << ": " << start << ' ' << stop << ' ' << step;
        }
      }
    }
  }
  constexpr int kMin = std::numeric_limits<int>::min();
  constexpr int kMax = std::numeric_limits<int>::max();
  EXPECT_EQ(offsets(slice(row_major({3}), resolve_slice({3}, {kMax}, {kMin}, {-1}))),
            (std::vector<int64_t>{2, 1, 0}));
  EXPECT_EQ(resolve_slice({3}, {kMin}, {kMax}, {kMax}).shape, Shape{1});
  EXPECT_EQ(resolve_slice({3}, {kMax}, {kMin}, {kMin}).shape, Shape{1});
}

// The strides of `shape` over the given offsets, if there are any.
bool has_strides(const std::vector<int64_t>& elements, const Shape& shape) {
  Layout layout = row_major(shape);
  layout.offset = elements[0];
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const size_t neighbour = static_cast<size_t>(row_major_strides(shape)[axis]);
    if (shape[axis] > 1) layout.strides[axis] = elements[neighbour] - elements[0];
  }
  return offsets(layout) == elements;
}

TEST(Layout, reshape_without_copy_exactly_when_strides_exist) {
  RandomLayouts layouts;
  int possible = 0;
  int impossible = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Layout layout = layouts.next();
    const Shape shape = layouts.other_shape(layout.shape);
    const auto strides = try_reshape(layout, shape);
    if (size_of_shape(shape) == 0) {
      ASSERT_TRUE(strides.has_value());
      continue;
    }
    ASSERT_EQ(strides.has_value(), has_strides(offsets(layout), shape))
        << layout.shape << layout.strides << shape;
    if (!strides) {
      ++impossible;
      continue;
    }
    ASSERT_EQ(offsets({shape, *strides, layout.offset}), offsets(layout));
    ++possible;
  }
  EXPECT_GT(possible, 1000);
  EXPECT_GT(impossible, 1000);
}

TEST(Layout, reshape_of_more_elements_than_an_int32) {
  const Layout layout = row_major({1 << 20, 1 << 20});
  EXPECT_EQ(try_reshape(layout, {1 << 10, 1 << 30}), (Strides{1 << 30, 1}));
}

TEST(Layout, density_by_counting) {
  RandomLayouts layouts;
  int contiguous = 0;
  for (int i = 0; i < 20'000; ++i) {
    Layout layout = layouts.next();
    layout.offset = 0;
    const Density got = density(layout.shape, layout.strides);
    const auto elements = offsets(layout);
    const auto& [flags, data_size] = got;
    if (elements.empty()) {
      ASSERT_EQ(got.flags, (Flags{true, true, true}));
      ASSERT_EQ(data_size, 0);
      continue;
    }
    const auto [low, high] = std::minmax_element(elements.begin(), elements.end());
    ASSERT_EQ(data_size, *high - *low + 1);

    auto column_major = layout;
    std::reverse(column_major.shape.begin(), column_major.shape.end());
    std::reverse(column_major.strides.begin(), column_major.strides.end());
    std::vector<int64_t> in_order(elements.size());
    std::iota(in_order.begin(), in_order.end(), 0);
    ASSERT_EQ(flags.row_contiguous, elements == in_order) << layout.shape << layout.strides;
    ASSERT_EQ(flags.col_contiguous, offsets(column_major) == in_order);

    // Leaving out the copies that zero strides make, each place from the first on is used once.
    Layout distinct = layout;
    for (size_t axis = 0; axis < layout.shape.size(); ++axis) {
      if (layout.strides[axis] == 0) distinct.shape[axis] = 1;
    }
    auto places = offsets(distinct);
    std::sort(places.begin(), places.end());
    std::vector<int64_t> all(places.size());
    std::iota(all.begin(), all.end(), 0);
    ASSERT_EQ(flags.contiguous, places == all) << layout.shape << layout.strides;
    contiguous += flags.contiguous;
  }
  EXPECT_GT(contiguous, 1000);
}

TEST(Layout, collapse_keeps_every_operand_and_leaves_nothing_to_join) {
  RandomLayouts layouts;
  for (int i = 0; i < 20'000; ++i) {
    const Layout first = layouts.next();
    Layout second = first;
    for (auto& stride : second.strides) stride = layouts.pick(0, 2) == 0 ? 0 : stride;
    Shape shape = first.shape;
    Strides strides[] = {first.strides, second.strides};
    collapse_dims(shape, strides);
    ASSERT_EQ(offsets({shape, strides[0], first.offset}), offsets(first));
    ASSERT_EQ(offsets({shape, strides[1], second.offset}), offsets(second));
    if (offsets(first).empty()) {
      ASSERT_EQ(shape, Shape{0});
      continue;
    }
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      ASSERT_NE(shape[axis], 1);
      if (axis == 0) continue;
      const bool joinable = strides[0][axis - 1] == strides[0][axis] * shape[axis] &&
                            strides[1][axis - 1] == strides[1][axis] * shape[axis];
      ASSERT_FALSE(joinable);
    }
  }
}

TEST(Layout, collapse_stays_within_int32) {
  Shape shape{1 << 20, 1 << 20};
  Strides strides = row_major_strides(shape);
  collapse_dims(shape, {&strides, 1});
  EXPECT_EQ(shape, (Shape{1 << 20, 1 << 20}));
}

TEST(View, row_contiguous_agrees_with_density) {
  RandomLayouts layouts;
  for (int i = 0; i < 5000; ++i) {
    const Layout layout = layouts.next();
    const View view{nullptr,
                    layout.shape.data(),
                    layout.strides.data(),
                    static_cast<int>(layout.shape.size()),
                    float32,
                    size_of_shape(layout.shape)};
    ASSERT_EQ(is_row_contiguous(view), density(layout.shape, layout.strides).flags.row_contiguous);
  }
}

}  // namespace
}  // namespace tarn
