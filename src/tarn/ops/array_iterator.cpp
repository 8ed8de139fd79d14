// Iteration over an array: the sub-arrays along axis 0 are slices, which the graph does not know.
#include "tarn/base/error.h"
#include "tarn/ops/functions.h"

namespace tarn {

array::ArrayIterator::ArrayIterator(const array& arr, int idx) : arr_(arr), idx_(idx) {
  check(arr.ndim() > 0, "array", "a scalar cannot be iterated over.");
}

array::ArrayIterator::reference array::ArrayIterator::operator*() const {
  Shape start(arr_.ndim(), 0);
  Shape stop = arr_.shape();
  start[0] = idx_;
  stop[0] = idx_ + 1;
  return squeeze(slice(arr_, std::move(start), std::move(stop)), 0);
}

}  // namespace tarn
