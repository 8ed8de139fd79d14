#include "tarn/ops/random.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn::random {

namespace {

using OptionalKey = std::optional<array>;

array key_array(const math::ThreefryKey& key) { return array(key.words, Shape{2}, uint32); }

// Different for each call, in this process and in others.
uint64_t fresh_seed() {
  static std::atomic<uint64_t> n_calls{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15u;
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()) +
         n_calls.fetch_add(1, std::memory_order_relaxed) * kOdd;
}

void check_floating(Dtype dtype, const char* op) {
  check(issubdtype(dtype, floating), op, "draws floating numbers, not {}.", dtype);
}

// Of those who draw in the dtype itself.
void check_drawn(Dtype dtype, const char* op) {
  check_floating(dtype, op);
  check<std::runtime_error>(dtype != float64, op, "cannot draw float64 numbers.");
}

float largest_below_one(Dtype dtype) { return float(1 - finfo(dtype).eps / 2); }

void check_shape(const Shape& shape, const char* op) {
  for (ShapeElem dim : shape) check(dim >= 0, op, "negative dimension in {}.", shape);
}

array key_or_next(const OptionalKey& key, const char* op) {
  if (!key) return KeySequence::default_().next();
  check(key->dtype() == uint32 && key->shape() == Shape{2}, op,
        "a key is uint32 of shape (2), got {} of shape {}.", key->dtype(), key->shape());
  return *key;
}

// See ops::RandomUniform.
array random_uniform(ops::RandomUniform limits, const array& range, const array& low,
                     const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  check_shape(shape, "uniform");
  return make_node(Op(kKernelClass<ops::RandomUniform>, limits), to_stream(s), shape, float32,
                   key_or_next(key, "uniform"), range, low);
}

// Float32 numbers in [0, 1) that stay below 1 when rounded to `dtype`.
array unit_uniform(const Shape& shape, Dtype dtype, const OptionalKey& key, StreamOrDevice s) {
  return random_uniform({0, largest_below_one(dtype)}, array(1.0f), array(0.0f), shape, key, s);
}

// In (-1, 1).
array signed_uniform(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  return uniform(array(std::nextafter(-1.0f, 0.0f)), array(1.0f), shape, float32, key, s);
}

// The logarithm of a standard exponential number: a Gumbel number with the other sign.
array log_exponential(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  // Of 0, which is drawn once in 2^32 times, the logarithm would be infinite.
  const ops::RandomUniform limits{0x1p-33f, largest_below_one(float32)};
  array drawn = random_uniform(limits, array(1.0f), array(0.0f), shape, key, s);
  return log(negative(log(drawn, s), s), s);
}

// Adding Gumbel noise to logits makes the largest an index drawn from their distribution.
array draw_categories(const array& logits, int axis, const Shape& shape, const OptionalKey& key,
                      StreamOrDevice s) {
  Shape noise_shape = shape;
  const int noise_axis = axis + int(shape.size()) - int(logits.ndim()) + 1;
  noise_shape.insert(noise_shape.begin() + noise_axis, logits.shape(axis));
  return argmax(subtract(logits, log_exponential(noise_shape, key, s), s), noise_axis, false, s);
}

Shape without_axis(const Shape& shape, int axis) {
  Shape rest = shape;
  rest.erase(rest.begin() + axis);
  return rest;
}

}  // namespace

void KeySequence::seed(uint64_t seed) { key_ = {{uint32_t(seed >> 32), uint32_t(seed)}}; }

// The bits of split().
array KeySequence::next() {
  math::ThreefryBlock<uint32_t> first{0, 2}, second{1, 3};
  first.encrypt(key_);
  second.encrypt(key_);
  key_ = {{first.x, second.x}};
  return key_array({{first.y, second.y}});
}

KeySequence& KeySequence::default_() {
  thread_local KeySequence sequence(fresh_seed());
  return sequence;
}

array key(uint64_t seed) { return key_array({{uint32_t(seed >> 32), uint32_t(seed)}}); }

void seed(uint64_t seed) { KeySequence::default_().seed(seed); }

std::pair<array, array> split(const array& key, StreamOrDevice s) {
  array keys = random::split(key, 2, s);
  const auto row = [&](int i) { return squeeze(slice(keys, {i, 0}, {i + 1, 2}, s), 0, s); };
  return {row(0), row(1)};
}

array split(const array& key, int num, StreamOrDevice s) { return bits({num, 2}, key, s); }

array bits(const Shape& shape, int width, const OptionalKey& key, StreamOrDevice s) {
  check(width == 1 || width == 2 || width == 4, "bits", "a width of {} is none of 1, 2 and 4.",
        width);
  check_shape(shape, "bits");
  const Dtype dtype = width == 1 ? uint8 : width == 2 ? uint16 : uint32;
  return make_node(Op(kKernelClass<ops::RandomBits>), to_stream(s), shape, dtype,
                   key_or_next(key, "bits"));
}
array bits(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  return bits(shape, 4, key, s);
}

array uniform(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const OptionalKey& key, StreamOrDevice s) {
  check_drawn(dtype, "uniform");
  array from = astype(low, dtype, s);
  array range = subtract(astype(high, dtype, s), from, s);
  check(broadcast_shapes(shape, range.shape()) == shape, "uniform",
        "bounds of shapes {} and {} do not fit numbers of shape {}.", low.shape(), high.shape(),
        shape);
  if (dtype == float32 && low.ndim() == 0 && high.ndim() == 0) {
    return random_uniform({0, largest_below_one(dtype)}, range, from, shape, key, s);
  }
  array drawn = astype(unit_uniform(shape, dtype, key, s), dtype, s);
  return add(multiply(drawn, range, s), from, s);
}
array uniform(const Shape& shape, Dtype dtype, const OptionalKey& key, StreamOrDevice s) {
  check_drawn(dtype, "uniform");
  return astype(unit_uniform(shape, dtype, key, s), dtype, s);
}
array uniform(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  return uniform(shape, float32, key, s);
}

array randint(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const OptionalKey& key, StreamOrDevice s) {
  check(!issubdtype(dtype, inexact), "randint", "draws integers, not {}.", dtype);
  Dtype bounds = promote_types(result_type(low, high), uint8);
  array from = astype(low, bounds, s);
  array last = subtract(astype(high, bounds, s), array(1, bounds), s);
  // Rounding may have reached `high`; where there is nothing below it, `low` is the larger bound.
  array drawn = astype(floor(uniform(low, high, shape, float32, key, s), s), bounds, s);
  return astype(maximum(minimum(drawn, last, s), from, s), dtype, s);
}

array bernoulli(const array& p, const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  check_floating(p.dtype(), "bernoulli");
  check(broadcast_shapes(shape, p.shape()) == shape, "bernoulli",
        "probabilities of shape {} do not fit an array of shape {}.", p.shape(), shape);
  // The largest float that is a uint32, and the one before: so that a probability of 1 always
  // holds.
  constexpr float kLargest = 0x1.fffffep31f, kBelow = 0x1.fffffcp31f;
  array drawn = minimum(astype(bits(shape, key, s), float32, s), array(kBelow), s);
  return less(drawn, multiply(p, array(kLargest), s), s);
}
array bernoulli(const array& p, const OptionalKey& key, StreamOrDevice s) {
  return bernoulli(p, p.shape(), key, s);
}
array bernoulli(const OptionalKey& key, StreamOrDevice s) {
  return bernoulli(array(0.5f), Shape{}, key, s);
}

array normal(const Shape& shape, Dtype dtype, const std::optional<array>& loc,
             const std::optional<array>& scale, const OptionalKey& key, StreamOrDevice s) {
  const bool is_complex = dtype == complex64;
  if (!is_complex) check_floating(dtype, "normal");
  Shape drawn_shape = shape;
  if (is_complex) drawn_shape.push_back(2);
  array drawn = erfinv(signed_uniform(drawn_shape, key, s), s);
  if (is_complex) {
    drawn = squeeze(view(drawn, complex64, s), -1, s);
    if (scale) drawn = multiply(drawn, *scale, s);
  } else {
    array factor = array(std::sqrt(2.0), dtype);
    if (scale) factor = multiply(factor, astype(*scale, dtype, s), s);
    drawn = multiply(astype(drawn, dtype, s), factor, s);
  }
  return loc ? add(drawn, astype(*loc, dtype, s), s) : drawn;
}
array normal(const Shape& shape, Dtype dtype, const float loc, const float scale,
             const OptionalKey& key, StreamOrDevice s) {
  const auto unless = [&](float neutral, float x) {
    return x == neutral ? std::nullopt : std::optional<array>(array(x, dtype));
  };
  return normal(shape, dtype, unless(0, loc), unless(1, scale), key, s);
}
array normal(const Shape& shape, const float loc, const float scale, const OptionalKey& key,
             StreamOrDevice s) {
  return normal(shape, float32, loc, scale, key, s);
}
array normal(const Shape& shape, const Dtype dtype, const OptionalKey& key, StreamOrDevice s) {
  return normal(shape, dtype, 0.0f, 1.0f, key, s);
}
array normal(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  return normal(shape, float32, key, s);
}

array multivariate_normal(const array& mean, const array& cov, const Shape& shape, Dtype dtype,
                          const OptionalKey& key, StreamOrDevice s) {
  const char* const op = "multivariate_normal";
  check(dtype == float32, op, "draws float32 numbers, not {}.", dtype);
  check(mean.ndim() >= 1 && cov.ndim() >= 2 && cov.shape(-1) == cov.shape(-2) &&
            mean.shape(-1) == cov.shape(-1),
        op, "wants vectors and square matrices of one size, got shapes {} and {}.", mean.shape(),
        cov.shape());
  const Shape means(mean.shape().begin(), mean.shape().end() - 1);
  const Shape covariances(cov.shape().begin(), cov.shape().end() - 2);
  Shape drawn_shape = broadcast_shapes(broadcast_shapes(means, covariances), shape);
  drawn_shape.push_back(mean.shape(-1));

  // The square root of a covariance is symmetric too.
  const std::vector<array> factors = linalg::svd(astype(cov, dtype, s), s);
  array root =
      matmul(multiply(factors[0], expand_dims(sqrt(factors[1], s), -2, s), s), factors[2], s);
  array drawn = expand_dims(normal(drawn_shape, dtype, key, s), -2, s);
  return add(astype(mean, dtype, s), squeeze(matmul(drawn, root, s), -2, s), s);
}

array truncated_normal(const array& lower, const array& upper, const Shape& shape, Dtype dtype,
                       const OptionalKey& key, StreamOrDevice s) {
  check_drawn(dtype, "truncated_normal");
  const array root(std::sqrt(2.0f));
  array low = astype(lower, float32, s), high = astype(upper, float32, s);
  array drawn =
      uniform(erf(divide(low, root, s), s), erf(divide(high, root, s), s), shape, float32, key, s);
  array bounded = maximum(minimum(multiply(erfinv(drawn, s), root, s), high, s), low, s);
  return astype(bounded, dtype, s);
}
array truncated_normal(const array& lower, const array& upper, Dtype dtype, const OptionalKey& key,
                       StreamOrDevice s) {
  return truncated_normal(lower, upper, broadcast_shapes(lower.shape(), upper.shape()), dtype, key,
                          s);
}

array gumbel(const Shape& shape, Dtype dtype, const OptionalKey& key, StreamOrDevice s) {
  check_drawn(dtype, "gumbel");
  return astype(negative(log_exponential(shape, key, s), s), dtype, s);
}

array laplace(const Shape& shape, Dtype dtype, const float loc, const float scale,
              const OptionalKey& key, StreamOrDevice s) {
  check_floating(dtype, "laplace");
  array position = signed_uniform(shape, key, s);
  array magnitude = log1p(negative(abs(position, s), s), s);
  array drawn = astype(multiply(sign(position, s), magnitude, s), dtype, s);
  if (scale != 1) drawn = multiply(drawn, array(scale, dtype), s);
  return loc == 0 ? drawn : add(drawn, array(loc, dtype), s);
}
array laplace(const Shape& shape, const float loc, const float scale, const OptionalKey& key,
              StreamOrDevice s) {
  return laplace(shape, float32, loc, scale, key, s);
}
array laplace(const Shape& shape, const Dtype dtype, const OptionalKey& key, StreamOrDevice s) {
  return laplace(shape, dtype, 0.0f, 1.0f, key, s);
}
array laplace(const Shape& shape, const OptionalKey& key, StreamOrDevice s) {
  return laplace(shape, float32, key, s);
}

array categorical(const array& logits, int axis, const Shape& shape, const OptionalKey& key,
                  StreamOrDevice s) {
  const int over = normalize_axis_index(axis, int(logits.ndim()), "[categorical] ");
  const Shape batch = without_axis(logits.shape(), over);
  check(broadcast_shapes(shape, batch) == shape, "categorical",
        "samples of shape {} do not fit logits of shape {} along axis {}.", shape, logits.shape(),
        over);
  return draw_categories(logits, over, shape, key, s);
}
array categorical(const array& logits_, int axis, int num_samples, const OptionalKey& key,
                  StreamOrDevice s) {
  const int over = normalize_axis_index(axis, int(logits_.ndim()), "[categorical] ");
  array logits = expand_dims(logits_, -1, s);
  Shape shape = without_axis(logits.shape(), over);
  shape.back() = num_samples;
  return draw_categories(logits, over, shape, key, s);
}
array categorical(const array& logits, int axis, const OptionalKey& key, StreamOrDevice s) {
  const int over = normalize_axis_index(axis, int(logits.ndim()), "[categorical] ");
  return draw_categories(logits, over, without_axis(logits.shape(), over), key, s);
}

array permutation(const array& x, int axis, const OptionalKey& key, StreamOrDevice s) {
  const int over = normalize_axis_index(axis, int(x.ndim()), "[permutation] ");
  return take(x, permutation(x.shape(over), key, s), over, s);
}
array permutation(int x, const OptionalKey& key, StreamOrDevice s) {
  check(x >= 0, "permutation", "of {} numbers is not defined.", x);
  return argsort(bits({x}, key, s), 0, s);
}

}  // namespace tarn::random
