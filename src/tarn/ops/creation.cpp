#include "tarn/ops/creation.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/elementwise.h"
#include "tarn/ops/functions/shape.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

// mean - first * cos(x) + second * cos(2x), where x goes through a period in M numbers.
array cosine_window(int M, double mean, double first, double second, StreamOrDevice s) {
  if (M < 1) return array({});
  if (M == 1) return ones({1}, s);
  array x = multiply(arange(0.0, double(M), s), array(2 * std::numbers::pi / (M - 1)), s);
  array window = subtract(array(mean), multiply(array(first), cos(x, s), s), s);
  if (second == 0) return window;
  return add(window, multiply(array(second), cos(multiply(array(2.0), x, s), s), s), s);
}

}  // namespace

array arange(double start, double stop, double step, Dtype dtype, StreamOrDevice s) {
  check(dtype != bool_, "arange", "bool is no dtype for a range.");
  check(std::isfinite(start) && std::isfinite(stop), "arange",
        "start {} and stop {} must be finite.", start, stop);
  check(step != 0 && !std::isnan(step), "arange", "a step of {} leads nowhere.", step);
  double size = std::isinf(step) ? (step > 0) == (stop > start) && start != stop
                                 : std::max(0.0, std::ceil((stop - start) / step));
  check(size <= std::numeric_limits<int>::max(), "arange",
        "{} elements are more than int32 counts.", size);
  return make_node(Op(kKernelClass<ops::Arange>, ops::Arange{start, step}), to_stream(s),
                   Shape{ShapeElem(size)}, dtype);
}
array arange(double start, double stop, double step, StreamOrDevice s) {
  return arange(start, stop, step, float32, s);
}
array arange(double start, double stop, Dtype dtype, StreamOrDevice s) {
  return arange(start, stop, 1.0, dtype, s);
}
array arange(double start, double stop, StreamOrDevice s) {
  return arange(start, stop, 1.0, float32, s);
}
array arange(double stop, Dtype dtype, StreamOrDevice s) {
  return arange(0.0, stop, 1.0, dtype, s);
}
array arange(double stop, StreamOrDevice s) { return arange(0.0, stop, 1.0, float32, s); }
array arange(int start, int stop, int step, StreamOrDevice s) {
  return arange(double(start), double(stop), double(step), int32, s);
}
array arange(int start, int stop, StreamOrDevice s) { return arange(start, stop, 1, s); }
array arange(int stop, StreamOrDevice s) { return arange(0, stop, 1, s); }

array linspace(double start, double stop, int num, bool endpoint, Dtype dtype, StreamOrDevice s) {
  check(num >= 0, "linspace", "cannot make {} numbers.", num);
  Dtype computed = dtype == float64 ? float64 : float32;
  if (num == 0) return zeros({0}, dtype, s);
  if (num == 1) return full({1}, start, dtype, s);
  array position = arange(0.0, double(num), 1.0, computed, s);
  array t = divide(position, array(double(endpoint ? num - 1 : num), computed), s);
  array from = multiply(subtract(array(1.0, computed), t, s), array(start, computed), s);
  return astype(add(from, multiply(t, array(stop, computed), s), s), dtype, s);
}
array linspace(double start, double stop, int num, Dtype dtype, StreamOrDevice s) {
  return linspace(start, stop, num, true, dtype, s);
}

array full(Shape shape, array vals, Dtype dtype, StreamOrDevice s) {
  for (ShapeElem dim : shape)
    check(dim >= 0, "full", "negative dimensions not allowed, got {}.", shape);
  return contiguous(broadcast_to(astype(std::move(vals), dtype, s), shape, s), false, s);
}
array full(Shape shape, array vals, StreamOrDevice s) {
  Dtype dtype = vals.dtype();
  return full(std::move(shape), std::move(vals), dtype, s);
}
array full_like(const array& a, array vals, Dtype dtype, StreamOrDevice s) {
  return full(a.shape(), std::move(vals), dtype, s);
}
array full_like(const array& a, array vals, StreamOrDevice s) {
  return full(a.shape(), std::move(vals), a.dtype(), s);
}

array zeros(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(0, dtype), dtype, s);
}
array zeros(const Shape& shape, StreamOrDevice s) { return zeros(shape, float32, s); }
array zeros_like(const array& a, StreamOrDevice s) { return zeros(a.shape(), a.dtype(), s); }
array zeros_like(const array& a, Dtype dtype, StreamOrDevice s) {
  return zeros(a.shape(), dtype, s);
}
array ones(const Shape& shape, Dtype dtype, StreamOrDevice s) {
  return full(shape, array(1, dtype), dtype, s);
}
array ones(const Shape& shape, StreamOrDevice s) { return ones(shape, float32, s); }
array ones_like(const array& a, StreamOrDevice s) { return ones(a.shape(), a.dtype(), s); }
array ones_like(const array& a, Dtype dtype, StreamOrDevice s) { return ones(a.shape(), dtype, s); }

array eye(int n, int m, int k, Dtype dtype, StreamOrDevice s) {
  check(n >= 0 && m >= 0, "eye", "negative dimensions not allowed, got ({},{}).", n, m);
  return make_node(Op(kKernelClass<ops::Eye>, ops::Eye{k}), to_stream(s), Shape{n, m}, dtype);
}
array eye(int n, Dtype dtype, StreamOrDevice s) { return eye(n, n, 0, dtype, s); }
array eye(int n, int m, StreamOrDevice s) { return eye(n, m, 0, float32, s); }
array eye(int n, int m, int k, StreamOrDevice s) { return eye(n, m, k, float32, s); }
array eye(int n, StreamOrDevice s) { return eye(n, n, 0, float32, s); }
array identity(int n, Dtype dtype, StreamOrDevice s) { return eye(n, n, 0, dtype, s); }
array identity(int n, StreamOrDevice s) { return eye(n, n, 0, float32, s); }

array bartlett(int M, StreamOrDevice s) {
  if (M < 1) return array({});
  if (M == 1) return ones({1}, s);
  array ramp = multiply(arange(0.0, double(M), s), array(2.0 / (M - 1)), s);
  return subtract(array(1.0), abs(subtract(ramp, array(1.0), s), s), s);
}
array blackman(int M, StreamOrDevice s) { return cosine_window(M, 0.42, 0.5, 0.08, s); }
array hamming(int M, StreamOrDevice s) { return cosine_window(M, 0.54, 0.46, 0, s); }
array hanning(int M, StreamOrDevice s) { return cosine_window(M, 0.5, 0.5, 0, s); }

std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse,
                            const std::string& indexing, StreamOrDevice s) {
  check(indexing == "xy" || indexing == "ij", "meshgrid",
        "indexing is \"xy\" or \"ij\", not \"{}\".", indexing);
  size_t ndim = arrays.size();
  std::vector<array> grids;
  for (size_t i = 0; i < ndim; ++i) {
    size_t axis = indexing == "xy" && ndim > 1 && i < 2 ? 1 - i : i;
    Shape shape(ndim, 1);
    shape[axis] = safe_cast(arrays[i].size(), "meshgrid");
    grids.push_back(reshape(arrays[i], std::move(shape), s));
  }
  return sparse ? grids : broadcast_arrays(grids, s);
}

}  // namespace tarn
