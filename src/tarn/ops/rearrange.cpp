#include "tarn/ops/functions/rearrange.h"

#include <algorithm>
#include <numeric>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/indexing.h"
#include "tarn/ops/functions/shape.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

int sum_of_shifts(const Shape& shift) {
  return safe_cast(std::accumulate(shift.begin(), shift.end(), int64_t{0}), "roll");
}

PadMode pad_mode(const std::string& name) {
  constexpr std::pair<const char*, PadMode> kModes[] = {{"constant", PadMode::constant},
                                                        {"edge", PadMode::edge},
                                                        {"reflect", PadMode::reflect},
                                                        {"symmetric", PadMode::symmetric}};
  for (const auto& [mode_name, mode] : kModes) {
    if (name == mode_name) return mode;
  }
  throw std::invalid_argument(fmt::format("[pad] there is no mode \"{}\".", name));
}

// What is left and right of each axis.
struct PadSizes {
  Shape low, high;
};

array pad_axes(const array& a, PadSizes sizes, const array& value, PadMode mode, StreamOrDevice s) {
  Shape padded = a.shape();
  for (size_t i = 0; i < padded.size(); ++i) {
    int low = sizes.low[i], high = sizes.high[i];
    check(low >= 0 && high >= 0, "pad", "negative sizes, {} and {}, for axis {}.", low, high, i);
    check(mode == PadMode::constant || padded[i] > 0 || (low == 0 && high == 0), "pad",
          "axis {} of shape {} has no elements to pad with.", i, a.shape());
    padded[i] = safe_cast(int64_t{padded[i]} + low + high, "pad");
  }
  check(value.size() == 1, "pad", "wants one value to pad with, got shape {}.", value.shape());
  if (padded == a.shape()) return a;
  Op op(kKernelClass<ops::Pad>, ops::Pad{mode, std::move(sizes.low)});
  Stream stream = to_stream(s);
  if (mode != PadMode::constant) {
    return make_node(std::move(op), stream, std::move(padded), a.dtype(), a);
  }
  array scalar = reshape(astype(value, a.dtype(), stream), {}, stream);
  return make_node(std::move(op), stream, std::move(padded), a.dtype(), a, scalar);
}

}  // namespace

array repeat(const array& arr, int repeats, int axis, StreamOrDevice s) {
  int along = normalize_axis(axis, int(arr.ndim()), "repeat");
  check(repeats >= 0, "repeat", "cannot repeat {} times.", repeats);
  Shape shape = arr.shape();
  shape[along] = safe_cast(int64_t{shape[along]} * repeats, "repeat");
  Shape stretched = arr.shape();
  stretched.insert(stretched.begin() + along + 1, repeats);
  return reshape(broadcast_to(expand_dims(arr, along + 1, s), stretched, s), std::move(shape), s);
}
array repeat(const array& arr, int repeats, StreamOrDevice s) {
  return repeat(flatten(arr, s), repeats, 0, s);
}

array tile(const array& arr, std::vector<int> reps, StreamOrDevice s) {
  size_t ndim = std::max(arr.ndim(), reps.size());
  reps.insert(reps.begin(), ndim - reps.size(), 1);
  Shape shape(ndim - arr.ndim(), 1);
  shape.insert(shape.end(), arr.shape().begin(), arr.shape().end());
  // Each axis that is repeated gets one before it that is stretched.
  Shape expanded, stretched, tiled;
  for (size_t i = 0; i < ndim; ++i) {
    check(reps[i] >= 0, "tile", "cannot repeat {} times.", reps[i]);
    if (reps[i] != 1) {
      expanded.push_back(1);
      stretched.push_back(reps[i]);
    }
    expanded.push_back(shape[i]);
    stretched.push_back(shape[i]);
    tiled.push_back(safe_cast(int64_t{shape[i]} * reps[i], "tile"));
  }
  return reshape(broadcast_to(reshape(arr, std::move(expanded), s), stretched, s), std::move(tiled),
                 s);
}

array roll(const array& a, const Shape& shift, const std::vector<int>& axes, StreamOrDevice s) {
  check(shift.size() >= axes.size(), "roll", "{} shifts for {} axes.", shift.size(), axes.size());
  array rolled = a;
  for (size_t i = 0; i < axes.size(); ++i) {
    int axis = normalize_axis(axes[i], int(a.ndim()), "roll");
    int dim = a.shape(axis);
    int moved = dim == 0 ? 0 : shift[i] % dim;
    if (moved == 0) continue;
    std::vector<array> parts = split(rolled, Shape{moved > 0 ? dim - moved : -moved}, axis, s);
    rolled = concatenate({parts[1], parts[0]}, axis, s);
  }
  return rolled;
}
array roll(const array& a, int shift, const std::vector<int>& axes, StreamOrDevice s) {
  return roll(a, Shape(axes.size(), shift), axes, s);
}
array roll(const array& a, int shift, int axis, StreamOrDevice s) {
  return roll(a, Shape{shift}, std::vector<int>{axis}, s);
}
array roll(const array& a, const Shape& shift, int axis, StreamOrDevice s) {
  return roll(a, sum_of_shifts(shift), axis, s);
}
array roll(const array& a, int shift, StreamOrDevice s) {
  return reshape(roll(flatten(a, s), shift, 0, s), a.shape(), s);
}
array roll(const array& a, const Shape& shift, StreamOrDevice s) {
  return roll(a, sum_of_shifts(shift), s);
}

array pad(const array& a, const std::vector<int>& axes, const Shape& low_pad_size,
          const Shape& high_pad_size, const array& pad_value, const std::string& mode,
          StreamOrDevice s) {
  check(axes.size() == low_pad_size.size() && axes.size() == high_pad_size.size(), "pad",
        "{} axes with {} and {} sizes.", axes.size(), low_pad_size.size(), high_pad_size.size());
  int ndim = int(a.ndim());
  normalize_axes(axes, ndim, "pad");
  PadSizes sizes{Shape(ndim, 0), Shape(ndim, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    int axis = normalize_axis(axes[i], ndim, "pad");
    sizes.low[axis] = low_pad_size[i];
    sizes.high[axis] = high_pad_size[i];
  }
  return pad_axes(a, std::move(sizes), pad_value, pad_mode(mode), s);
}
array pad(const array& a, const std::vector<std::pair<int, int>>& pad_width, const array& pad_value,
          const std::string& mode, StreamOrDevice s) {
  check(pad_width.size() == a.ndim(), "pad", "{} pairs of sizes for an array of shape {}.",
        pad_width.size(), a.shape());
  PadSizes sizes;
  for (const auto& [low, high] : pad_width) {
    sizes.low.push_back(low);
    sizes.high.push_back(high);
  }
  return pad_axes(a, std::move(sizes), pad_value, pad_mode(mode), s);
}
array pad(const array& a, const std::pair<int, int>& pad_width, const array& pad_value,
          const std::string& mode, StreamOrDevice s) {
  PadSizes sizes{Shape(a.ndim(), pad_width.first), Shape(a.ndim(), pad_width.second)};
  return pad_axes(a, std::move(sizes), pad_value, pad_mode(mode), s);
}
array pad(const array& a, int pad_width, const array& pad_value, const std::string& mode,
          StreamOrDevice s) {
  return pad(a, std::pair(pad_width, pad_width), pad_value, mode, s);
}

}  // namespace tarn
