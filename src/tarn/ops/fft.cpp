#include "tarn/ops/fft.h"

#include <cmath>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn::fft {

namespace {

using Kind = ops::Fft::Kind;

struct Direction {
  const char* name;
  bool is_real;
  bool is_inverse;
};

float scale_of(FFTNorm norm, bool is_inverse, int n) {
  if (norm == FFTNorm::Ortho) return float(1 / std::sqrt(double(n)));
  return is_inverse == (norm == FFTNorm::Backward) ? float(1 / double(n)) : 1.0f;
}

array transform_axis(const array& a, Kind kind, int n, int axis, FFTNorm norm, StreamOrDevice s) {
  const bool is_inverse = kind == Kind::inverse || kind == Kind::complex_to_real;
  Shape shape = a.shape();
  shape[axis] = kind == Kind::real_to_complex ? n / 2 + 1 : n;
  const Dtype dtype = kind == Kind::complex_to_real ? float32 : complex64;
  return make_node(
      Op(kKernelClass<ops::Fft>, ops::Fft{kind, axis, n, scale_of(norm, is_inverse, n)}),
      to_stream(s), std::move(shape), dtype,
      astype(a, kind == Kind::real_to_complex ? float32 : complex64, s));
}

// `axes` in the caller's order, counted from the front.
std::vector<int> checked_axes(const array& a, std::vector<int> axes, const char* op) {
  normalize_axes(axes, int(a.ndim()), op);
  for (int& axis : axes) axis += axis < 0 ? int(a.ndim()) : 0;
  return axes;
}

array transform(const array& a, const Shape& n, const std::vector<int>& axes, Direction direction,
                FFTNorm norm, StreamOrDevice s) {
  const char* const op = direction.name;
  check(a.ndim() > 0, op, "a scalar has no axis to transform.");
  check(n.size() == axes.size(), op, "{} lengths for {} axes.", n.size(), axes.size());
  for (ShapeElem length : n) check(length > 0, op, "cannot transform {} elements.", length);
  const std::vector<int> over = checked_axes(a, axes, op);
  if (over.empty()) return a;
  const size_t last = over.size() - 1;
  array result = a;
  if (direction.is_real && !direction.is_inverse) {
    result = transform_axis(result, Kind::real_to_complex, n[last], over[last], norm, s);
  }
  const size_t n_complex = direction.is_real ? last : last + 1;
  for (size_t i = n_complex; i-- > 0;) {
    const Kind kind = direction.is_inverse ? Kind::inverse : Kind::forward;
    result = transform_axis(result, kind, n[i], over[i], norm, s);
  }
  if (direction.is_real && direction.is_inverse) {
    result = transform_axis(result, Kind::complex_to_real, n[last], over[last], norm, s);
  }
  return result;
}

array transform(const array& a, const std::vector<int>& axes, Direction direction, FFTNorm norm,
                StreamOrDevice s) {
  Shape n;
  for (int axis : checked_axes(a, axes, direction.name)) n.push_back(a.shape(axis));
  if (direction.is_real && direction.is_inverse && !n.empty()) n.back() = 2 * (n.back() - 1);
  return transform(a, n, axes, direction, norm, s);
}

array shift(const array& a, const std::vector<int>& axes, bool is_inverse, const char* op,
            StreamOrDevice s) {
  const std::vector<int> over = checked_axes(a, axes, op);
  Shape distances;
  for (int axis : over) {
    const int half = a.shape(axis) / 2;
    distances.push_back(is_inverse ? -half : half);
  }
  return over.empty() ? a : roll(a, distances, over, s);
}

}  // namespace

#define TARN_DEFINE_TRANSFORMS(name, is_real, is_inverse)                                    \
  array name(const array& a, const Shape& n, const std::vector<int>& axes, FFTNorm norm,     \
             StreamOrDevice s) {                                                             \
    return transform(a, n, axes, {#name, is_real, is_inverse}, norm, s);                     \
  }                                                                                          \
  array name(const array& a, const std::vector<int>& axes, FFTNorm norm, StreamOrDevice s) { \
    return transform(a, axes, {#name, is_real, is_inverse}, norm, s);                        \
  }
TARN_DEFINE_TRANSFORMS(fftn, false, false)
TARN_DEFINE_TRANSFORMS(ifftn, false, true)
TARN_DEFINE_TRANSFORMS(rfftn, true, false)
TARN_DEFINE_TRANSFORMS(irfftn, true, true)
TARN_DEFINE_TRANSFORMS(fft2, false, false)
TARN_DEFINE_TRANSFORMS(ifft2, false, true)
TARN_DEFINE_TRANSFORMS(rfft2, true, false)
TARN_DEFINE_TRANSFORMS(irfft2, true, true)
#undef TARN_DEFINE_TRANSFORMS

#define TARN_DEFINE_OVER_ALL_AXES(name)                        \
  array name(const array& a, FFTNorm norm, StreamOrDevice s) { \
    return name(a, all_axes(int(a.ndim())), norm, s);          \
  }
TARN_DEFINE_OVER_ALL_AXES(fftn)
TARN_DEFINE_OVER_ALL_AXES(ifftn)
TARN_DEFINE_OVER_ALL_AXES(rfftn)
TARN_DEFINE_OVER_ALL_AXES(irfftn)
#undef TARN_DEFINE_OVER_ALL_AXES

#define TARN_DEFINE_TRANSFORM(name, is_real, is_inverse)                                \
  array name(const array& a, int n, int axis, FFTNorm norm, StreamOrDevice s) {         \
    return transform(a, Shape{n}, {axis}, {#name, is_real, is_inverse}, norm, s);       \
  }                                                                                     \
  array name(const array& a, int axis, FFTNorm norm, StreamOrDevice s) {                \
    return transform(a, std::vector<int>{axis}, {#name, is_real, is_inverse}, norm, s); \
  }
TARN_DEFINE_TRANSFORM(fft, false, false)
TARN_DEFINE_TRANSFORM(ifft, false, true)
TARN_DEFINE_TRANSFORM(rfft, true, false)
TARN_DEFINE_TRANSFORM(irfft, true, true)
#undef TARN_DEFINE_TRANSFORM

array fftfreq(int n, double d, StreamOrDevice s) {
  check(n > 0, "fftfreq", "a spectrum of {} elements has no frequencies.", n);
  array k = arange(n, s);
  array signed_k = where(less(k, array((n + 1) / 2), s), k, subtract(k, array(n), s), s);
  return divide(signed_k, array(float(n * d)), s);
}
array rfftfreq(int n, double d, StreamOrDevice s) {
  check(n > 0, "rfftfreq", "a spectrum of {} elements has no frequencies.", n);
  return divide(arange(n / 2 + 1, s), array(float(n * d)), s);
}

array fftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  return shift(a, axes, false, "fftshift", s);
}
array fftshift(const array& a, StreamOrDevice s) { return fftshift(a, all_axes(int(a.ndim())), s); }
array ifftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  return shift(a, axes, true, "ifftshift", s);
}
array ifftshift(const array& a, StreamOrDevice s) {
  return ifftshift(a, all_axes(int(a.ndim())), s);
}

}  // namespace tarn::fft
