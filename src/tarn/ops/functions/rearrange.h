// Elements moved, repeated and padded: always new arrays.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/runtime/streams.h"

namespace tarn {

// Each element, or each slice of an axis, `repeats` times in a row. Without an axis, of the flat
// array.
array repeat(const array& arr, int repeats, int axis, StreamOrDevice s = {});
array repeat(const array& arr, int repeats, StreamOrDevice s = {});
// The whole array reps[i] times along axis i. The shorter of reps and shape gets ones in front.
array tile(const array& arr, std::vector<int> reps, StreamOrDevice s = {});

// The elements moved along axes, by shift[i] along axes[i], and around the end to the front.
// Several shifts for one axis add up; without axes, so they do along the flat array.
array roll(const array& a, int shift, StreamOrDevice s = {});
array roll(const array& a, const Shape& shift, StreamOrDevice s = {});
array roll(const array& a, int shift, int axis, StreamOrDevice s = {});
array roll(const array& a, int shift, const std::vector<int>& axes, StreamOrDevice s = {});
array roll(const array& a, const Shape& shift, int axis, StreamOrDevice s = {});
array roll(const array& a, const Shape& shift, const std::vector<int>& axes, StreamOrDevice s = {});

// low_pad_size[i] elements before and high_pad_size[i] behind those of axes[i]; or of each axis
// its pair, or the same for all. In the modes "edge", "reflect" (without the edge) and "symmetric"
// (with it) they are the array's own, which it needs to have along a padded axis; in the mode
// "constant" each is the scalar pad_value.
array pad(const array& a, const std::vector<int>& axes, const Shape& low_pad_size,
          const Shape& high_pad_size, const array& pad_value = array(0),
          const std::string& mode = "constant", StreamOrDevice s = {});
array pad(const array& a, const std::vector<std::pair<int, int>>& pad_width,
          const array& pad_value = array(0), const std::string& mode = "constant",
          StreamOrDevice s = {});
array pad(const array& a, const std::pair<int, int>& pad_width, const array& pad_value = array(0),
          const std::string& mode = "constant", StreamOrDevice s = {});
array pad(const array& a, int pad_width, const array& pad_value = array(0),
          const std::string& mode = "constant", StreamOrDevice s = {});

}  // namespace tarn
