// Operations that only change where elements are seen: a layout in, a layout out, no kernel.
#pragma once

#include <optional>
#include <vector>

#include "tarn/base/layout.h"
#include "tarn/ops/op_info.h"

namespace tarn::ops {

struct Reshape {
  static constexpr OpInfo info{"reshape", "a, shape", "The same elements in another shape."};

  Shape shape;

  std::optional<Layout> layout(const Layout& input) const {
    std::optional<Strides> strides = try_reshape(input, shape);
    if (!strides) return std::nullopt;
    return Layout{shape, *std::move(strides), input.offset};
  }
};

struct Transpose {
  static constexpr OpInfo info{"transpose", "a, axes", "The axes in another order."};

  std::vector<int> axes;

  std::optional<Layout> layout(const Layout& input) const { return permute(input, axes); }
};

struct BroadcastTo {
  static constexpr OpInfo info{"broadcast_to", "a, shape",
                               "Axes of size one stretched to a shape."};

  Shape shape;

  std::optional<Layout> layout(const Layout& input) const {
    return Layout{shape, broadcast_strides(input, shape), input.offset};
  }
};

struct Slice {
  static constexpr OpInfo info{"slice", "a, start, stop, strides",
                               "Every n-th element of a range of each axis."};

  ResolvedSlice bounds;

  std::optional<Layout> layout(const Layout& input) const { return slice(input, bounds); }
};

// Any shape and strides over the elements in row-major order.
struct AsStrided {
  static constexpr OpInfo info{"as_strided", "a, shape, strides, offset",
                               "The elements seen in any shape with any strides."};

  Layout seen;

  std::optional<Layout> layout(const Layout& input) const {
    if (!density(input.shape, input.strides).flags.row_contiguous) return std::nullopt;
    return Layout{seen.shape, seen.strides, input.offset + seen.offset};
  }
};

// The two axes go, the diagonal of their planes comes last.
struct Diagonal {
  static constexpr OpInfo info{"diagonal", "a, offset=0, axis1=0, axis2=1",
                               "A diagonal of each plane of two axes."};

  int offset;  // positive above the main diagonal
  int axis1;
  int axis2;

  std::optional<Layout> layout(const Layout& input) const {
    return diagonal(input, offset, axis1, axis2);
  }
};

// Row-major, or column-major if allowed: the same bytes where they are that already.
struct Contiguous {
  static constexpr OpInfo info{"contiguous", "a, allow_col_major=False",
                               "The same elements without gaps."};

  bool allow_col_major;

  std::optional<Layout> layout(const Layout& input) const {
    Flags flags = density(input.shape, input.strides).flags;
    if (flags.row_contiguous || (allow_col_major && flags.col_contiguous)) return input;
    return std::nullopt;
  }
};

}  // namespace tarn::ops

#define TARN_SHAPE_OPS(X) \
  X(AsStrided)            \
  X(BroadcastTo)          \
  X(Contiguous)           \
  X(Diagonal)             \
  X(Reshape)              \
  X(Slice)                \
  X(Transpose)
