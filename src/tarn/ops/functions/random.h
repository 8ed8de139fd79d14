// Random numbers. The same key gives the same numbers, on every machine and with any number of
// threads; without a key, the calling thread's default sequence gives one.
//
// A negative dimension is std::invalid_argument, as is a key that is not two words of uint32.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "tarn/graph/array.h"
#include "tarn/math/threefry.h"
#include "tarn/runtime/streams.h"

namespace tarn::random {

// A sequence of keys. Not for two threads at once.
class KeySequence {
 public:
  explicit KeySequence(uint64_t seed) { this->seed(seed); }
  void seed(uint64_t seed);
  // A key that is a value, not a node: it depends on no work that could fail.
  array next();
  // The calling thread's own, seeded differently in each thread and each run.
  static KeySequence& default_();

 private:
  math::ThreefryKey key_;
};

// The two words of the seed, the upper one first.
array key(uint64_t seed);
// Starts the calling thread's default sequence again.
void seed(uint64_t seed);

// Two keys, or `num` in a (num, 2) array, independent of each other and of `key`.
std::pair<array, array> split(const array& key, StreamOrDevice s = {});
array split(const array& key, int num, StreamOrDevice s = {});

// Uniform unsigned integers of `width` bytes: 1, 2 or 4.
array bits(const Shape& shape, int width, const std::optional<array>& key = std::nullopt,
           StreamOrDevice s = {});
array bits(const Shape& shape, const std::optional<array>& key = std::nullopt,
           StreamOrDevice s = {});

// In [low, high). `low` and `high` broadcast to `shape`; float32, float16 or bfloat16. float64 is
// std::runtime_error, other dtypes are std::invalid_argument.
array uniform(const array& low, const array& high, const Shape& shape, Dtype dtype = float32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
template <ElementType T, ElementType U>
array uniform(T low, U high, const Shape& shape, Dtype dtype = float32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {}) {
  return uniform(array(low), array(high), shape, dtype, key, s);
}
// In [0, 1).
array uniform(const Shape& shape, Dtype dtype, const std::optional<array>& key = std::nullopt,
              StreamOrDevice s = {});
array uniform(const Shape& shape, const std::optional<array>& key = std::nullopt,
              StreamOrDevice s = {});

// Integers in [low, high), `low` where that is empty; as coarse as float32 is at their magnitude.
// `dtype` is an integer or bool.
array randint(const array& low, const array& high, const Shape& shape, Dtype dtype = int32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
template <ElementType T, ElementType U>
array randint(T low, U high, const Shape& shape, Dtype dtype = int32,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {}) {
  return randint(array(low), array(high), shape, dtype, key, s);
}

// True with probability `p`, which is floating and broadcasts to `shape`.
array bernoulli(const array& p, const Shape& shape, const std::optional<array>& key = std::nullopt,
                StreamOrDevice s = {});
array bernoulli(const array& p, const std::optional<array>& key = std::nullopt,
                StreamOrDevice s = {});
template <ElementType T>
array bernoulli(T p, const std::optional<array>& key = std::nullopt, StreamOrDevice s = {}) {
  return bernoulli(array(p), key, s);
}
template <ElementType T>
array bernoulli(T p, const Shape& shape, const std::optional<array>& key = std::nullopt,
                StreamOrDevice s = {}) {
  return bernoulli(array(p), shape, key, s);
}
array bernoulli(const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

// Drawn in float32, then rounded to `dtype`, then scaled and moved. The parts of complex64 numbers
// have half the variance each.
array normal(const Shape& shape, Dtype dtype, const std::optional<array>& loc,
             const std::optional<array>& scale, const std::optional<array>& key,
             StreamOrDevice s = {});
array normal(const Shape& shape, Dtype dtype, const float loc, const float scale,
             const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array normal(const Shape& shape, const float loc, const float scale,
             const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array normal(const Shape& shape, const Dtype dtype, const std::optional<array>& key = std::nullopt,
             StreamOrDevice s = {});
array normal(const Shape& shape, const std::optional<array>& key = std::nullopt,
             StreamOrDevice s = {});

// Vectors along a new last axis, with the mean and the covariance given: a vector and a positive
// semidefinite matrix, whose other axes broadcast with `shape`. float32 only.
array multivariate_normal(const array& mean, const array& cov, const Shape& shape, Dtype dtype,
                          const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

// The standard normal distribution between bounds.
array truncated_normal(const array& lower, const array& upper, const Shape& shape,
                       Dtype dtype = float32, const std::optional<array>& key = std::nullopt,
                       StreamOrDevice s = {});
array truncated_normal(const array& lower, const array& upper, Dtype dtype = float32,
                       const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

// exp(-exp(-x)) is the distribution function.
array gumbel(const Shape& shape, Dtype dtype = float32,
             const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

array laplace(const Shape& shape, Dtype dtype, const float loc, const float scale,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array laplace(const Shape& shape, const float loc, const float scale,
              const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array laplace(const Shape& shape, const Dtype dtype, const std::optional<array>& key = std::nullopt,
              StreamOrDevice s = {});
array laplace(const Shape& shape, const std::optional<array>& key = std::nullopt,
              StreamOrDevice s = {});

// Indices, uint32, along `axis` of logits, each with the probability that softmax gives it: never
// one of -infinity beside larger ones, always one of +infinity. The shape of the logits without the
// axis broadcasts to `shape`; or `num_samples` are drawn along a new last axis.
array categorical(const array& logits, int axis, const Shape& shape,
                  const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array categorical(const array& logits_, int axis, int num_samples,
                  const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});
array categorical(const array& logits, int axis = -1,
                  const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

// The slices of `x` along `axis` in random order; or the numbers 0 to x - 1, uint32. Every order is
// as likely as any other, but for the few draws with equal bits among x of 32.
array permutation(const array& x, int axis = 0, const std::optional<array>& key = std::nullopt,
                  StreamOrDevice s = {});
array permutation(int x, const std::optional<array>& key = std::nullopt, StreamOrDevice s = {});

}  // namespace tarn::random
